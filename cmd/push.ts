import path from 'node:path'

import { pushSaved } from '../protocols/nix/push/push-saved.ts'
import { pushNpm } from '../protocols/npm/push/push.ts'
import { pushPython } from '../protocols/python/push/push.ts'
import { failItem } from '../src/client/report.ts'
import type { PushRun } from '../src/client/runs.ts'
import type { SavedFiles } from '../src/client/saved-files.ts'
import { DepotError } from '../src/errors.ts'
import { savedFiles } from '../src/node/saved-files.ts'
import { UsageError, type CliIo, type Command } from './cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE } from './client/client.ts'
import { lastOf } from './flags.ts'
import { isDirectory } from './transfer/input-files.ts'
import {
  choicesOf,
  compresses,
  type NixPushChoices,
  NIX_PUSH_ARGS,
  NIX_PUSH_POSITIONALS,
  pushFromStore,
  urlAndWords,
  whatIsNamed,
} from './nix/push.ts'
import { PUSH_NOTE } from './transfer/push-run.ts'
import { SAVED, savedDirectory, type Ecosystem } from './transfer/save-run.ts'
import type { Environment } from './environment.ts'
import { runTransfer, TRANSFER_ARGS, type TransferRun, type TransferRunOptions } from './transfer/run.ts'
import { TOKEN_ARG } from './client/typed-token.ts'

/** `depot push`. */
export function pushCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'push',
    description:
      'Bring everything that was saved into a depot: Nix, npm, Python. With store paths or flake references: those.',
    args: {
      ...NIX_PUSH_POSITIONALS,
      ...CLIENT_ARGS,
      dir: { type: 'string', description: `Folder that was saved into (default: ${SAVED})`, valueHint: 'DIR' },
      ...TOKEN_ARG,
      ...TRANSFER_ARGS,
      ...NIX_PUSH_ARGS,
    },
    repeats: true,
    notes: `${PUSH_NOTE}\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot push https://depot.example.org',
      'depot push --dir /media/usb/.depot-storage --dry-run',
      'depot push https://depot.example.org --flake-refs github:NixOS/nixpkgs#sl',
    ],
    async run({ flags, positionals }) {
      const { url, words } = urlAndWords(positionals)
      const named = await whatIsNamed(flags, words)
      const options = { url, flags, env, io }
      if (named === undefined) return pushAll(options)
      if (flags['dir'] === undefined) return pushFromStore(options, named)
      throw new UsageError('--dir is for everything that was saved; store paths of a folder: depot nix push --dir DIR')
    },
  }
}

/** By how large their files are: what takes long begins first. */
const PUSHES: Readonly<Record<Ecosystem, (run: PushRun & EcosystemsPush) => Promise<unknown>>> = {
  nix: (run) => pushSaved(run, { skip: run.skip ?? [], compress: compresses(run) }),
  npm: pushNpm,
  python: pushPython,
}

/** What was saved of each ecosystem, and where: for the report. */
export type SavedEcosystems = Readonly<
  Partial<Record<Ecosystem, { readonly files: SavedFiles; readonly place: string }>>
>

export interface EcosystemsPush extends TransferRun {
  /** Store paths that are left out. */
  readonly skip?: NixPushChoices['skip']
}

/** Bring it into a depot; what stops one ecosystem alone does not stop the others. */
export async function pushEcosystems(run: EcosystemsPush, saved: SavedEcosystems): Promise<void> {
  for (const name of Object.keys(PUSHES) as Ecosystem[]) {
    const { files, place } = saved[name] ?? {}
    if (files === undefined || place === undefined) continue
    await PUSHES[name]({ ...run, files }).catch((error: unknown) => failItem(run.report, place, error))
  }
}

/** One report and one exit status for all; what stops one ecosystem alone does not stop the others. */
async function pushAll(options: TransferRunOptions): Promise<number> {
  const { skip } = choicesOf(options.flags)
  const names = Object.keys(PUSHES) as Ecosystem[]
  const folders = names.map((name) => ({ name, directory: directoryOf(name, options) }))
  const there = await Promise.all(folders.map(({ directory }) => isDirectory(directory)))
  const saved = folders.filter((_, index) => there[index])
  if (saved.length === 0) {
    const looked = folders.map(({ directory }) => directory).join(', ')
    throw new DepotError('NOT_FOUND', `there is nothing to push: none of ${looked} is a folder`)
  }
  const ecosystems = saved.map(({ name, directory }) => [name, { files: savedFiles(directory), place: directory }])
  return runTransfer(options, (run) =>
    pushEcosystems({ ...run, skip }, Object.fromEntries(ecosystems) as SavedEcosystems),
  )
}

/** `--dir` is the folder of all of them here. */
function directoryOf(ecosystem: Ecosystem, { flags, env }: TransferRunOptions): string {
  const all = lastOf(flags, 'dir')
  return all === undefined ? savedDirectory({ ecosystem, flags, env }) : path.resolve(all, ecosystem)
}
