import { localNotes } from '../../protocols/nix/push/local-notes.ts'
import { namedRoots } from '../../protocols/nix/push/named-roots.ts'
import { pushClosure } from '../../protocols/nix/push/push-closure.ts'
import { pushNotes } from '../../protocols/nix/push/push-notes.ts'
import { pushSaved } from '../../protocols/nix/push/push-saved.ts'
import { savedPaths } from '../../protocols/nix/push/saved-paths.ts'
import { parseSignedBy, type SignedBy } from '../../protocols/nix/push/signed-by.ts'
import { DepotError } from '../../src/errors.ts'
import { isLoopback } from '../../src/network.ts'
import { PROGRAMS } from '../../src/node/programs.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, URL_ARG } from '../client/client.ts'
import { isOn, lastOf } from '../flags.ts'
import { NIX_STORE_ARG, nixStoreRoot, openLocalNixStore } from './local-store.ts'
import { namedPaths, type NamedPaths } from './named-paths.ts'
import { openSaved, pushArgs, PUSH_NOTE } from '../transfer/push-run.ts'
import { savedDirectory } from '../transfer/save-run.ts'
import type { Environment } from '../environment.ts'
import { runTransfer, type TransferRun, type TransferRunOptions } from '../transfer/run.ts'
import { FROM_STDIN } from '../client/typed-token.ts'

/** What says which store paths are pushed. */
export const NIX_PUSH_ARGS = {
  'flake-refs': {
    type: 'string',
    description: 'Also what these stand for, with commas between them',
    valueHint: 'A,B',
  },
  'store-paths': { type: 'string', description: 'Also these, with commas between them', valueHint: 'A,B' },
  stdin: { type: 'boolean', description: 'Also those on standard input, one a line' },
  ...NIX_STORE_ARG,
  'no-closure': { type: 'boolean', description: 'Not what they refer to' },
  derivation: { type: 'boolean', description: 'Also the derivations that they were built by' },
  'skip-signed-by': {
    type: 'string',
    description: 'Leave out what this key has signed: its name, or all of it to have it verified; may repeat',
    valueHint: 'NAME[:BASE64]',
  },
} as const

/** The positionals of commands that push store paths. */
export const NIX_PUSH_POSITIONALS = {
  url: URL_ARG,
  path: { type: 'positional', description: 'Store paths, and what nix build takes: nixpkgs#hello', required: false },
} as const

/** `depot nix push`. */
export function nixPushCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'nix push',
    description:
      'Bring store paths and all that they need into a depot: of the local store, or of a folder that was saved.',
    args: { ...NIX_PUSH_POSITIONALS, ...CLIENT_ARGS, ...NIX_PUSH_ARGS, ...pushArgs('nix') },
    repeats: true,
    notes: `${NOTES}\n${PUSH_NOTE}\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot nix push https://depot.example.org nixpkgs#hello',
      'depot nix push /nix/store/s5b00ijzqx4db8vf1bcbzgmv3wb3ildz-hello --skip-signed-by cache.nixos.org-1',
      'depot nix push --dir /media/usb/nix --dry-run',
    ],
    async run({ flags, positionals }) {
      const { url, words } = urlAndWords(positionals)
      const named = await whatIsNamed(flags, words)
      const options = { url, flags, env, io }
      return named === undefined || flags['dir'] !== undefined
        ? pushFolder(options, named)
        : pushFromStore(options, named)
    },
  }
}

const NOTES =
  'Paths that are named come from the local Nix store, whose database and files are read without a daemon, or from --dir. With\n' +
  'none, everything that was saved is sent. What a flake stands for is built or fetched first.'

/** The URL is the first word that is one; everything else names something. @throws UsageError */
export function urlAndWords(positionals: readonly string[]): {
  readonly url: string | undefined
  readonly words: readonly string[]
} {
  const [url, ...more] = positionals.filter(isUrl)
  if (more.length > 0) throw new UsageError('one depot at a time; a flake that has such an address: --flake-refs')
  return { url, words: positionals.filter((word) => !isUrl(word)) }
}

function isUrl(word: string): boolean {
  return /^https?:\/\//i.test(word)
}

/** What is named, or undefined when nothing is. @throws UsageError */
export async function whatIsNamed(
  flags: ParsedArgs['flags'],
  words: readonly string[],
): Promise<NamedPaths | undefined> {
  if (isOn(flags, 'stdin') && lastOf(flags, 'token') === FROM_STDIN)
    throw new UsageError('standard input has either the paths or the token: use DEPOT_AUTH_TOKEN for the token')
  const isNamed = words.length > 0 || isOn(flags, 'stdin') || ['flake-refs', 'store-paths'].some((name) => flags[name])
  if (isNamed) {
    const named = await namedPaths(flags, words)
    const [hash] = named.hashes
    if (hash !== undefined) throw new UsageError(`'${hash}' is the hash of a path alone: name the whole path`)
    return named
  }
  const idle = OF_NAMED.find((name) => flags[name] !== undefined)
  if (idle !== undefined) throw new UsageError(`--${idle} is about paths that are named: name store paths, or a flake`)
  return undefined
}

/** They say nothing of a folder that is sent whole. */
const OF_NAMED = ['nix-store', 'no-closure', 'derivation']

/** Push what is named, from the local store. Returns the exit status. @throws DepotError as `runTransfer` */
export async function pushFromStore(options: TransferRunOptions, named: NamedPaths): Promise<number> {
  const choices = choicesOf(options.flags)
  return runTransfer(options, async (run) => {
    await using store = await openLocalNixStore(options)
    const { paths: source } = store
    const nix = { programs: PROGRAMS, root: nixStoreRoot(options) }
    const roots = await namedRoots({ ...named, ...choices, nix, source, report: run.report })
    const pushed = await pushClosure(run, { ...choices, source, roots, compress: compresses(run) })
    await pushNotes(run, localNotes(store.store, pushed))
  })
}

async function pushFolder(options: TransferRunOptions, named: NamedPaths | undefined): Promise<number> {
  const choices = choicesOf(options.flags)
  if (named !== undefined && named.installables.length > 0)
    throw new UsageError('--dir has store paths alone: what a flake stands for comes from the local store')
  const files = await openSaved({ ...options, ecosystem: 'nix' })
  return runTransfer(options, async (run) => {
    const compress = compresses(run)
    if (named === undefined) {
      if ((await pushSaved({ ...run, files }, { ...choices, compress })) === 0) throw nothingSaved(options)
      return
    }
    const source = await savedPaths(files)
    const nix = { programs: PROGRAMS, root: '/' }
    const roots = await namedRoots({ ...named, ...choices, nix, source, report: run.report })
    await pushClosure(run, { ...choices, source, roots, compress })
  })
}

function nothingSaved({ flags, env }: TransferRunOptions): DepotError {
  const directory = savedDirectory({ ecosystem: 'nix', flags, env })
  return new DepotError('NOT_FOUND', `${directory} holds no narinfo: depot nix save fills such a folder`)
}

/** Over the machine's own network compression costs more time than it saves. */
export function compresses({ url }: Pick<TransferRun, 'url'>): boolean {
  return !isLoopback(url.hostname)
}

/** What the flags say of the paths that are sent. */
export interface NixPushChoices {
  readonly rootsOnly: boolean
  readonly derivations: boolean
  readonly skip: readonly SignedBy[]
}

/** What they say of them. @throws UsageError */
export function choicesOf(flags: ParsedArgs['flags']): NixPushChoices {
  return {
    rootsOnly: isOn(flags, 'no-closure'),
    derivations: isOn(flags, 'derivation'),
    skip: (flags['skip-signed-by'] ?? []).map((text) => {
      try {
        return parseSignedBy(text)
      } catch {
        throw new UsageError('--skip-signed-by takes the name of a key, or all of it: cache.example.org-1:<base64>')
      }
    }),
  }
}
