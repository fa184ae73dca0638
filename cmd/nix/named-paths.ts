import { readlink } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'

import { storeHash } from '../../protocols/nix/store-hash.ts'
import { parseBaseName, parseStorePath, STORE_DIR } from '../../protocols/nix/store-path.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { UsageError, type ParsedArgs } from '../cli.ts'
import { isOn } from '../flags.ts'
import { plain } from '../terminal/plain.ts'

/** What somebody named of Nix. */
export interface NamedPaths {
  /** Base names of store paths. */
  readonly storePaths: readonly string[]
  /** Store hashes alone, as `depot wanted nix` lists them. */
  readonly hashes: readonly string[]
  /** Everything else: what nix build takes. */
  readonly installables: readonly string[]
}

/**
 * What is named by positionals, `--flake-refs`, `--store-paths` and, with `--stdin`, by the lines of standard input.
 *
 * @throws UsageError when nothing is named, or no store path where one must be; DepotError `TOO_LARGE` for too many lines
 */
export async function namedPaths(flags: ParsedArgs['flags'], positionals: readonly string[]): Promise<NamedPaths> {
  const lines = isOn(flags, 'stdin') ? await stdinLines() : []
  const named = [...positionals, ...lines, ...commas(flags, 'flake-refs')]
  const words = await Promise.all(named.map(async (word) => (await linkedPath(word)) ?? word))
  const storePaths = [...commas(flags, 'store-paths').map(storePathOf), ...words.flatMap((word) => inStore(word) ?? [])]
  const others = words.filter((word) => inStore(word) === undefined)
  const [hashes, installables] = [others.filter(isStoreHash), others.filter((word) => !isStoreHash(word))]
  if (storePaths.length + others.length === 0)
    throw new UsageError('name something: store paths, or flake references (nixpkgs#hello); --stdin reads them')
  const [paths, built] = [new Set(storePaths), new Set(installables)]
  return { storePaths: [...paths], hashes: [...new Set(hashes)], installables: [...built] }
}

function isStoreHash(word: string): boolean {
  return storeHash.safeParse(word).success
}

function commas(flags: ParsedArgs['flags'], name: string): readonly string[] {
  const words = (flags[name] ?? []).flatMap((value) => value.split(','))
  return words.map((word) => word.trim()).filter((word) => word !== '')
}

/** The base name of the path of the store that this is, or lies in. `x.drv^out` and `x.drv!out` are for Nix to build. */
function inStore(word: string): string | undefined {
  if (!word.startsWith(`${STORE_DIR}/`)) return undefined
  const [baseName = ''] = word.slice(STORE_DIR.length + 1).split('/', 1)
  return parseBaseName(baseName)?.baseName
}

/** The path of the store that a link leads to, `./result` above all: nobody needs Nix to follow it, nor does it lie below `/`. */
async function linkedPath(word: string): Promise<string | undefined> {
  if (!/^\.{0,2}\//.test(word)) return undefined
  let at = path.resolve(word)
  for (let links = 0; links < LINKS_MAX && inStore(at) === undefined; links++) {
    const target = await readlink(at).catch(() => undefined)
    if (target === undefined) return undefined
    at = path.resolve(path.dirname(at), target)
  }
  return inStore(at) === undefined ? undefined : at
}

/** As the system has it. */
const LINKS_MAX = 40

function storePathOf(word: string): string {
  const baseName = inStore(word) ?? parseStorePath(`${STORE_DIR}/${word}`)?.baseName
  if (baseName !== undefined) return baseName
  throw new UsageError(`'${plain(word)}' is no store path: ${STORE_DIR}/<hash>-<name>`)
}

async function stdinLines(): Promise<readonly string[]> {
  const lines: string[] = []
  let characters = 0
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    characters += line.length
    if (characters > LIMITS.namesFromStdinCharactersMax)
      throw new DepotError('TOO_LARGE', `more than ${LIMITS.namesFromStdinCharactersMax} characters on standard input`)
    const word = line.trim()
    if (word !== '' && !word.startsWith('#')) lines.push(word)
  }
  return lines
}
