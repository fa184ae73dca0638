import { hostname } from 'node:os'
import path from 'node:path'

import { UsageError, type CliIo, type Command, type ParsedArgs } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, URL_ARG } from '../client/client.ts'
import type { Edit } from '../config-files/edits.ts'
import { createToken, nixPublicKeys } from '../client/depot-api.ts'
import { IN_CLEAR, isInClear } from '../client/depot-url.ts'
import { parseDuration } from '../duration.ts'
import { planEdits, writePlan } from '../config-files/edit-plan.ts'
import { lastOf } from '../flags.ts'
import type { Environment } from '../environment.ts'
import {
  isTokenFormat,
  madeToken,
  netrcHost,
  npmRegistry,
  npmTokenKey,
  TOKEN_FORMATS,
  type TokenFormat,
} from './formats.ts'
import { editUserFile } from '../user-file.ts'

/** `depot token create`. */
export function tokenCreateCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'token create',
    description:
      'Make a token for a client that cannot use an SSH key. It is shown once; it never has more rights than you.',
    args: {
      url: URL_ARG,
      ...CLIENT_ARGS,
      scope: {
        type: 'string',
        description: 'What it may do, <ecosystem>:<action>:<names>; repeatable (default: *:read:*)',
        valueHint: 'GRANT',
      },
      expires: {
        type: 'string',
        description: 'When it ends: 30d, 12h, 90m, 2026-12-31 (default: 90d)',
        valueHint: 'WHEN',
      },
      name: { type: 'string', description: 'What it is for, in lists and in the audit log', valueHint: 'NAME' },
      print: {
        type: 'enum',
        description: 'In which form (default: token)',
        options: Object.keys(TOKEN_FORMATS),
      },
      output: { type: 'string', description: 'Write it there (0600) rather than print it', valueHint: 'FILE' },
    },
    notes: `In a netrc and in an .npmrc everything else is kept.\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot token create --name ci --expires 30d --scope npm:read:* --scope npm:write:@acme/*',
      'depot token create --print netrc --output ~/.netrc',
      'eval "$(depot token create --print env --expires 12h)"',
    ],
    async run({ flags, positionals }) {
      const print = parseFormat(flags)
      const output = lastOf(flags, 'output')
      if (output !== undefined) refuseOutput(print)
      const expires = lastOf(flags, 'expires')
      const seconds = expires === undefined ? {} : { seconds: parseDuration('--expires', expires, Date.now()) }
      const depot = await openDepot({ url: positionals[0], flags, env, io })
      const { url } = depot
      if (isInClear(url)) io.err(IN_CLEAR)
      const file = output === undefined ? undefined : path.resolve(output)
      // Tried before there is a token that nobody would have.
      const plan = await planEdits(editsOf(file, print, url))
      const publicKeys = print === 'nix' ? await nixPublicKeys(depot) : []
      const name = lastOf(flags, 'name') ?? `depot token create on ${hostname()}`
      const { token, info } = await createToken(depot, { name, grants: flags['scope'] ?? ['*:read:*'], ...seconds })
      const lines = TOKEN_FORMATS[print]({ url, token, publicKeys })
      if (file === undefined) for (const line of lines) io.out(line)
      else if (plan.length > 0) await writePlan(plan, token)
      else await editUserFile(file, () => lines.map((line) => `${line}\n`).join(''), { secret: true })
      io.err(madeToken(info))
      return 0
    },
  }
}

function parseFormat(flags: ParsedArgs['flags']): TokenFormat {
  const text = lastOf(flags, 'print') ?? 'token'
  if (isTokenFormat(text)) return text
  throw new UsageError(`--print takes ${Object.keys(TOKEN_FORMATS).join(', ')}, not '${text}'`)
}

function refuseOutput(print: TokenFormat): void {
  if (print === 'pip' || print === 'uv' || print === 'nix')
    throw new UsageError(`${print} reads two files, and --output writes one: depot use --${print} writes both`)
}

/** Into a netrc or an .npmrc it goes beside what is there. */
function editsOf(file: string | undefined, print: TokenFormat, url: URL): Edit[] {
  if (file === undefined) return []
  if (print === 'netrc') return [{ kind: 'netrc', file, host: netrcHost(url) }]
  if (print !== 'npmrc') return []
  return [
    { kind: 'npmrc', file, section: '', key: 'registry', value: npmRegistry(url) },
    { kind: 'npmrc', file, section: '', key: npmTokenKey(url) },
  ]
}
