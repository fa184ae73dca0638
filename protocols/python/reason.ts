import { LIMITS } from '../../src/limits.ts'

/** Why a file was yanked or a project closed: one line, because clients print it into terminals and logs. */
export function isReason(text: string): boolean {
  return text.length <= LIMITS.yankReasonLengthMax && text.isWellFormed() && !/\p{Cc}|[\u2028\u2029]/u.test(text)
}
