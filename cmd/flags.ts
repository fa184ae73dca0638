import type { ParsedArgs } from './cli.ts'

/** The value of a flag, the last one where it was given several times. */
export function lastOf(flags: ParsedArgs['flags'], name: string): string | undefined {
  return flags[name]?.at(-1)
}

/** Whether a flag without a value was given. */
export function isOn(flags: ParsedArgs['flags'], name: string): boolean {
  return lastOf(flags, name) === 'true'
}
