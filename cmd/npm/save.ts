import { parsePlatform, type Platform } from '../../protocols/npm/save/platforms.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { isOn, lastOf } from '../flags.ts'
import { loadNpmSettings } from './config-files.ts'
import { readInput } from './save-input.ts'
import { runSave, saveArgs, SAVE_NOTE } from '../transfer/save-run.ts'
import type { Environment } from '../environment.ts'

/** `depot npm save`. */
export function npmSaveCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'npm save',
    description: 'Save npm packages with everything that an install of them needs, to be carried to a depot.',
    args: {
      spec: {
        type: 'positional',
        required: false,
        description: 'Packages as npm install takes them, a package.json, or lock files (default: the lock file here)',
      },
      stdin: { type: 'boolean', description: 'Read more packages from standard input, one a line' },
      lock: { type: 'string', description: 'Lock file of npm, pnpm, yarn or bun; may repeat', valueHint: 'FILE' },
      registry: { type: 'string', description: "Registry to save from (default: npm's own setting)", valueHint: 'URL' },
      platform: {
        type: 'string',
        description: 'Only what runs there, as linux-x64-musl or darwin-arm64; may repeat (default: everything)',
        valueHint: 'OS-CPU[-LIBC]',
      },
      omit: { type: 'enum', description: 'Leave out what package.json needs for development', options: ['dev'] },
      ...saveArgs('npm'),
    },
    repeats: true,
    notes: `${SAVE_NOTE}\n\nIt reads npm's settings: .npmrc files and npm_config_ variables name registries and hold their credentials.`,
    examples: [
      'depot npm save',
      'depot npm save express @types/node@20',
      'depot npm save --lock yarn.lock --platform linux-x64-glibc --dir /media/usb/npm',
      'depot npm save package.json --omit dev',
    ],
    async run({ flags, positionals }) {
      const platforms = (flags['platform'] ?? []).map(platformOf)
      const withDev = !omitsDev(flags['omit'] ?? [])
      const lockFiles = flags['lock'] ?? []
      const input = await readInput({ named: positionals, lockFiles, stdin: isOn(flags, 'stdin'), withDev })
      const settings = await loadNpmSettings({ env, folder: input.folder, registry: lastOf(flags, 'registry') })
      const { saveNpm } = await import('../../protocols/npm/save/save-npm.ts')
      const authorization = (url: URL): string | undefined => settings.authorization(url)
      return runSave({ ecosystem: 'npm', flags, env, io, authorization }, (run) =>
        saveNpm(run, { roots: input.roots, locks: input.locks, platforms }, settings),
      )
    },
  }
}

function platformOf(text: string): Platform {
  const platform = parsePlatform(text)
  if (platform !== undefined) return platform
  throw new UsageError(`--platform ${text}: it is like linux-x64, linux-x64-musl, darwin-arm64 or win32-x64`)
}

function omitsDev(kinds: readonly string[]): boolean {
  const other = kinds.find((kind) => kind !== 'dev')
  if (other !== undefined) throw new UsageError(`--omit ${other}: only dev can be left out; see --platform`)
  return kinds.length > 0
}
