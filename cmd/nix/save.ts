import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { cacheSaveSource } from '../../protocols/nix/save/cache-save-source.ts'
import { folderCache, httpCache } from '../../protocols/nix/save/cache-files.ts'
import { localSaveSource } from '../../protocols/nix/save/local-save-source.ts'
import { firstOf, type SaveSource } from '../../protocols/nix/save/save-source.ts'
import { saveNix, type Wanted } from '../../protocols/nix/save/save.ts'
import type { VerifyingKey } from '../../protocols/nix/signing.ts'
import type { SaveRun } from '../../src/client/runs.ts'
import { savedFiles } from '../../src/node/saved-files.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from '../cli.ts'
import { isOn } from '../flags.ts'
import { NIX_STORE_ARG, nixStoreRoot, openLocalNixStore } from './local-store.ts'
import { namedPaths, type NamedPaths } from './named-paths.ts'
import { readNixSettings, trustedKey, type NixSettings } from './settings.ts'
import { runSave, saveArgs, SAVE_NOTE } from '../transfer/save-run.ts'
import type { Environment } from '../environment.ts'

/** `depot nix save`. */
export function nixSaveCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'nix save',
    description:
      'Save store paths and all that they need into a folder that is a binary cache: nix copy --from file://DIR reads it.',
    args: {
      installable: {
        type: 'positional',
        description: 'Store paths, and what nix build takes: nixpkgs#hello, ./result',
        required: false,
      },
      stdin: { type: 'boolean', description: 'Also those on standard input, one a line' },
      'flake-refs': { type: 'string', description: 'Also these, with commas between them', valueHint: 'A,B' },
      'store-paths': { type: 'string', description: 'Also these, with commas between them', valueHint: 'A,B' },
      from: {
        type: 'string',
        description: 'Take paths from this cache (https://…, file://…) instead of the local store; may repeat',
        valueHint: 'URL',
      },
      'trusted-key': {
        type: 'string',
        description: 'Whose signatures count there (default: trusted-public-keys of nix.conf); may repeat',
        valueHint: 'NAME:BASE64',
      },
      'no-check-sigs': { type: 'boolean', description: 'Take what nobody has signed as well' },
      ...NIX_STORE_ARG,
      derivation: { type: 'boolean', description: 'Also the derivations that they were built by' },
      'build-deps': { type: 'boolean', description: 'Also these, and what it takes to build them once more' },
      'flake-inputs': { type: 'boolean', description: 'Also the sources of the flakes and of all their inputs' },
      'no-closure': { type: 'boolean', description: 'Not what they refer to' },
      logs: { type: 'boolean', description: 'Also the logs of their builds, where there are any' },
      verify: { type: 'boolean', description: 'Hash what is in the folder already' },
      ...saveArgs('nix'),
    },
    repeats: true,
    notes: NOTES,
    examples: [
      'depot nix save nixpkgs#hello --derivation --build-deps --flake-inputs',
      'depot nix save /nix/store/s5b00ijzqx4db8vf1bcbzgmv3wb3ildz-hello --from https://cache.nixos.org --dir /media/usb/nix',
    ],
    async run({ flags, positionals }) {
      const wanted: Wanted = { ...(await namedPaths(flags, positionals)), ...choices(flags) }
      const settings = await readNixSettings(env)
      const caches = (flags['from'] ?? []).map(cacheAddress)
      const trustedKeys = isOn(flags, 'no-check-sigs') ? undefined : keysOf(flags, settings)
      const { authorization } = settings
      return runSave({ ecosystem: 'nix', flags, env, io, authorization }, async (run) => {
        await using stack = new AsyncDisposableStack()
        const sources: SaveSource[] = []
        for (const address of caches) sources.push(await cacheAt(run, address, trustedKeys))
        const openSource = async (): Promise<SaveSource> => {
          // What was evaluated here is here: derivations and the sources of flakes.
          if (caches.length === 0 || wanted.installables.length > 0)
            sources.push(localSaveSource(run, stack.use(await openLocalNixStore({ flags, env })).store))
          return firstOf(sources)
        }
        const nix = { programs: run.programs, root: nixStoreRoot({ flags, env }) }
        await saveNix({ run, openSource, nix, isLocal: caches.length === 0, wanted })
      })
    },
  }
}

const NOTES =
  'Without --from, paths come from the local Nix store, whose database and files are read without a daemon; what is named by a\n' +
  'flake is built or fetched by nix first. With --from no nix is needed for store paths: each narinfo must be signed by a\n' +
  'trusted key, or named by its content, and each archive must hash to what was signed. Several caches are asked one after\n' +
  `the other. Credentials for them: user and password in the URL, else nix's netrc-file, else ~/.netrc; DEPOT_AUTH_TOKEN is\n` +
  `shown to none: the token of a depot is the password, with any user name.\n\n${SAVE_NOTE}`

function choices(flags: ParsedArgs['flags']): Omit<Wanted, keyof NamedPaths> {
  return {
    derivations: isOn(flags, 'derivation'),
    buildDeps: isOn(flags, 'build-deps'),
    flakeInputs: isOn(flags, 'flake-inputs'),
    closure: !isOn(flags, 'no-closure'),
    verify: isOn(flags, 'verify'),
    logs: isOn(flags, 'logs'),
  }
}

function keysOf(flags: ParsedArgs['flags'], settings: NixSettings): readonly VerifyingKey[] {
  return flags['trusted-key']?.map(trustedKey) ?? settings.trustedKeys()
}

/** @throws UsageError */
function cacheAddress(text: string): URL {
  const url = URL.parse(text) ?? (path.isAbsolute(text) ? pathToFileURL(text) : null)
  if (url !== null && (url.protocol === 'file:' ? url.host === '' : ['http:', 'https:'].includes(url.protocol)))
    return url
  throw new UsageError('--from takes the address of a cache: https://…, http://… or file:///…')
}

function cacheAt(run: SaveRun, address: URL, trustedKeys: readonly VerifyingKey[] | undefined): Promise<SaveSource> {
  const folder = address.protocol === 'file:' ? fileURLToPath(address) : undefined
  const cache =
    folder === undefined ? httpCache(run.download, address) : folderCache(savedFiles(folder), `file://${folder}`)
  return cacheSaveSource({ run, cache, trustedKeys })
}
