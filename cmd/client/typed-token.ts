import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { UsageError, type CliIo, type ParsedArgs } from '../cli.ts'
import { lastOf } from '../flags.ts'

/** What commands that push take besides. */
export const TOKEN_ARG = {
  token: {
    type: 'string',
    description: 'Token to show, - reads it from standard input (default: DEPOT_AUTH_TOKEN)',
    valueHint: 'TOKEN',
  },
} as const

/** The token that `--token` gives, if it was given. @throws UsageError beside `--identity`; DepotError `UNAUTHENTICATED` for none */
export async function typedToken(flags: ParsedArgs['flags'], io: CliIo): Promise<string | undefined> {
  const typed = lastOf(flags, 'token')
  if (typed === undefined) return undefined
  if (flags['identity'] !== undefined) throw new UsageError('--token or --identity: a depot takes one of them')
  if (typed !== FROM_STDIN) {
    io.err(
      'depot: everybody on this machine can read the arguments of a command: use DEPOT_AUTH_TOKEN, or --token - to read it from standard input',
    )
    return typed
  }
  const token = (await firstOfStdin()).trim()
  if (token === '') throw new DepotError('UNAUTHENTICATED', 'there is no token on standard input')
  return token
}

/** What `--token` says to read it from standard input. */
export const FROM_STDIN = '-'

/** A token goes into a header, so that one that fits into none is no token. */
async function firstOfStdin(): Promise<string> {
  let text = ''
  for await (const piece of process.stdin.setEncoding('utf8')) {
    text += String(piece)
    if (text.length > LIMITS.headerBytesMax)
      throw new DepotError('UNAUTHENTICATED', 'what comes on standard input is too long for a token')
  }
  return text
}
