import { devNull } from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { parsePlatform, parsePython, type Wanted } from '../../protocols/python/save/wheel-filter.ts'
import type { SdistPolicy } from '../../protocols/python/save/plan.ts'
import { scratchFolder } from '../../src/node/scratch.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from '../cli.ts'
import { isOn, lastOf } from '../flags.ts'
import { configHome, homeOf, type Environment } from '../environment.ts'
import { readPythonInput } from './save-input.ts'
import { indexesOf, pythonAuthorization, resolverEnvironment } from './settings.ts'
import { runSave, saveArgs, SAVE_NOTE } from '../transfer/save-run.ts'
import { asText, readUserFile } from '../user-file.ts'

const FILE = { type: 'string', valueHint: 'FILE' } as const

/** `depot python save`. */
export function pythonSaveCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python save',
    description: 'Save Python distributions with all that they depend on, to be carried to a depot.',
    args: {
      spec: {
        type: 'positional',
        required: false,
        description:
          "Requirements ('requests[socks]>=2'), lists of them, lock files (default: a list on standard input)",
      },
      stdin: { type: 'boolean', description: 'Read a list of requirements from standard input too' },
      requirement: { ...FILE, alias: 'r', description: 'List of requirements; may repeat' },
      constraint: { ...FILE, alias: 'c', description: 'List of what versions may be; may repeat' },
      lock: { ...FILE, description: 'pylock.toml, or lock file of uv, poetry, pdm or pipenv; may repeat' },
      python: {
        type: 'string',
        description: 'Only what runs on it, as 3.12, 3.13t or pypy3.10; may repeat (default: everything)',
        valueHint: 'VERSION',
      },
      platform: {
        type: 'string',
        description: 'Only what runs there, as linux-x86_64 or macos-arm64; may repeat (default: everything)',
        valueHint: 'SYSTEM-CPU',
      },
      sdist: {
        type: 'enum',
        description: 'When the source of a version is saved (default: if-needed: when a wheel is missing)',
        options: [...SDIST_POLICIES],
      },
      'no-build-requirements': { type: 'boolean', description: 'Leave out what builds the sdists' },
      'index-url': {
        type: 'string',
        description: "Index to save from (default: pip's and uv's own setting)",
        valueHint: 'URL',
      },
      'extra-index-url': { type: 'string', description: 'Index that is asked before it; may repeat', valueHint: 'URL' },
      ...saveArgs('python'),
    },
    repeats: true,
    notes:
      `${SAVE_NOTE}\n\nuv finds the versions, or pip where uv is not installed; lock files need neither. Indexes and credentials are those of\n` +
      'PIP_INDEX_URL, UV_DEFAULT_INDEX, pip.conf and netrc.',
    examples: [
      "depot python save 'requests>=2' flask==2.3.0",
      'depot python save --lock uv.lock --dir /media/usb/python',
      'depot python save -r requirements.txt --python 3.12 --platform linux-x86_64 --platform windows-x86_64',
    ],
    run: (args) => run(env, io, args),
  }
}

async function run(env: Environment, io: CliIo, { flags, positionals }: ParsedArgs): Promise<number> {
  const wanted = wantedIn(flags)
  const sdists = policyIn(flags)
  const { specs, locks } = await readPythonInput(inputIn(flags, positionals))
  const pipConfigs = await readPipConfigs(env)
  const indexes = indexesOf({
    main: lastOf(flags, 'index-url'),
    extra: flags['extra-index-url'] ?? [],
    locks: locks.map(({ options }) => options),
    env,
    pipConfigs,
  })
  const authorization = pythonAuthorization(indexes, await readNetrc(env))
  const { savePython } = await import('../../protocols/python/save/save.ts')
  return runSave({ ecosystem: 'python', flags, env, io, authorization }, (save) =>
    savePython(
      {
        run: save,
        indexes,
        choice: { wanted, sdists },
        builds: !isOn(flags, 'no-build-requirements'),
        scratch: scratchFolder,
        env: resolverEnvironment(env, { nowhere: devNull, pipConfigs }),
      },
      { specs, locks },
    ),
  )
}

function wantedIn(flags: ParsedArgs['flags']): Wanted {
  const list = (name: string): readonly string[] => (flags[name] ?? []).flatMap((value) => value.split(','))
  return { pythons: list('python').map(parsePython), platforms: list('platform').map(parsePlatform) }
}

const SDIST_POLICIES = ['always', 'if-needed', 'never'] as const satisfies readonly SdistPolicy[]

function policyIn(flags: ParsedArgs['flags']): SdistPolicy {
  const policy = lastOf(flags, 'sdist') ?? 'if-needed'
  const known = SDIST_POLICIES.find((each) => each === policy)
  if (known !== undefined) return known
  throw new UsageError(`--sdist ${policy}: it is always, if-needed or never`)
}

function inputIn(flags: ParsedArgs['flags'], named: readonly string[]): Parameters<typeof readPythonInput>[0] {
  const files = {
    requirements: flags['requirement'] ?? [],
    constraints: flags['constraint'] ?? [],
    locks: flags['lock'] ?? [],
  }
  const nothing = named.length + files.requirements.length + files.locks.length === 0
  const stdin = isOn(flags, 'stdin') || nothing
  if (nothing && !isOn(flags, 'stdin') && process.stdin.isTTY)
    throw new UsageError('save what? Name requirements (requests>=2), a list of them, or a lock file')
  return { named, ...files, stdin }
}

/** pip's own order, strongest first. The null device in place of one is the end of all (pip, "Configuration files"). */
async function readPipConfigs(env: Environment): Promise<readonly string[]> {
  const named = env['PIP_CONFIG_FILE']
  if (named === devNull) return []
  const home = homeOf(env)
  const files = [
    ...(named === undefined || named === '' ? [] : [named]),
    path.join(configHome(env), 'pip', 'pip.conf'),
    path.join(home, '.pip', 'pip.conf'),
    '/etc/pip.conf',
  ]
  const texts = await Promise.all(files.map((file) => readUserFile(file)))
  return texts.flatMap((text) => (text === undefined ? [] : [asText(text)]))
}

async function readNetrc(env: Environment): Promise<string> {
  const named = env['NETRC']
  const file = named === undefined || named === '' ? path.join(homeOf(env), '.netrc') : named
  return asText((await readUserFile(file)) ?? '')
}
