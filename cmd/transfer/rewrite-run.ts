import { existsSync } from 'node:fs'
import path from 'node:path'

import type { RewrittenLock } from '../../src/client/rewritten-lock.ts'
import { DepotError } from '../../src/errors.ts'
import { redacted, withoutUserinfo } from '../../src/redact.ts'
import { UsageError, type CliIo, type ParsedArgs } from '../cli.ts'
import { findDepot, URL_ARG } from '../client/client.ts'
import { diffInPlace } from '../config-files/diff.ts'
import { isOn } from '../flags.ts'
import { plain } from '../terminal/plain.ts'
import { readProfiles } from '../client/profiles.ts'
import type { Environment } from '../environment.ts'
import { asBytes, asText, editUserFile, readUserFile } from '../user-file.ts'

/** What every rewriting of lock files takes besides where to. */
export const REWRITE_ARGS = {
  file: {
    type: 'positional',
    description: `Lock files (default: those of this folder); behind them the ${URL_ARG.description}`,
    required: false,
  },
  'dry-run': { type: 'boolean', description: 'Only show what would change' },
  check: { type: 'boolean', description: 'Change nothing, and end with 1 when something would change' },
} as const

export interface RewriteRunOptions {
  readonly files: readonly string[]
  /** Where the addresses then are, for people. */
  readonly target: string
  readonly flags: ParsedArgs['flags']
  readonly io: CliIo
  /** A lock file of more is not read. */
  readonly charactersMax: number
  readonly rewrite: (filename: string, text: string) => RewrittenLock
}

/** Lock files, and behind them the URL of a depot if there is one; without files, those of the working directory. @throws UsageError */
export function lockFilesAndUrl(
  positionals: readonly string[],
  usual: readonly string[],
): { readonly files: readonly string[]; readonly url: string | undefined } {
  const last = positionals.at(-1)
  const url = last?.includes('://') === true ? last : undefined
  const named = url === undefined ? positionals : positionals.slice(0, -1)
  const files = named.length > 0 ? named : usual.filter((name) => existsSync(name))
  if (files.length === 0) throw new UsageError(`which lock file? There is none here: ${usual.join(', ')}`)
  return { files, url }
}

/** The URL of the depot that is meant; nobody asks it anything. @throws UsageError */
export async function depotOf(url: string | undefined, env: Environment, io: CliIo): Promise<URL> {
  return findDepot({ url, env, io }, await readProfiles(env)).url
}

/**
 * Rewrite lock files one after the other and return the exit status: each is put in its place whole, at once.
 *
 * @throws DepotError naming the file
 */
export async function runRewrite(options: RewriteRunOptions): Promise<number> {
  const check = isOn(options.flags, 'check')
  let changed = 0
  for (const file of options.files) changed += await rewriteFile(file, options)
  return check && changed > 0 ? 1 : 0
}

async function rewriteFile(file: string, options: RewriteRunOptions): Promise<number> {
  const { flags, io, target, charactersMax } = options
  const bytesMax = charactersMax * BYTES_A_CHARACTER
  const before = await readUserFile(file, bytesMax)
  if (before === undefined) throw new DepotError('NOT_FOUND', `there is no ${file}`)
  const rewrite = (bytes: string): RewrittenLock => options.rewrite(file, textOf(file, bytes))
  const { text, changed, left } = rewrite(before)
  const idle = isOn(flags, 'check') || isOn(flags, 'dry-run')
  if (isOn(flags, 'dry-run')) {
    for (const line of diffInPlace(file, asText(before), text)) io.out(plain(line))
  } else if (!idle && changed > 0) {
    await editUserFile(path.resolve(file), (bytes) => asBytes(rewrite(bytes).text), { secret: false, bytesMax })
  }
  io.err(`depot: ${summary(file, { changed, target, verb: idle ? 'would be' : 'now' })}`)
  for (const { item, url, reason } of left) io.err(`  left as it is: ${shown(item)} (${shown(url)}): ${reason}`)
  return changed
}

/** In UTF-8, of those that are one in JavaScript too. */
const BYTES_A_CHARACTER = 3

function summary(
  file: string,
  { changed, target, verb }: { readonly changed: number; readonly target: string; readonly verb: string },
): string {
  if (changed === 0) return `${file}: nothing to change`
  return `${file}: ${changed} ${changed === 1 ? 'address' : 'addresses'} ${verb} at ${target}`
}

/** Written back, a text that is not UTF-8 would not be what it was. */
function textOf(file: string, bytes: string): string {
  const text = asText(bytes)
  if (asBytes(text) !== bytes) throw new DepotError('BAD_REQUEST', `${file}: it is not UTF-8 text`)
  return text
}

/** What a lock file says, for a terminal and without the credentials in it. */
function shown(text: string): string {
  return plain(redacted(withoutUserinfo(text)))
}
