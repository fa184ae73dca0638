import type { CliIo, Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot } from '../client/client.ts'
import { isOn, lastOf } from '../flags.ts'
import { yankFiles, type ChangedFile } from './api.ts'
import { meantBy, PROJECT_ARG, projectNamed, wordsAndUrl } from './arguments.ts'
import type { Environment } from '../environment.ts'

const FILES_ARG = {
  type: 'positional',
  description: 'A version, or one file of it; behind it the URL of the depot (default: as for login)',
  required: true,
} as const

/** `depot python yank`. */
export function pythonYankCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python yank',
    description: 'Keep installers from a version or a file of it, unless they are told exactly that version.',
    args: {
      project: PROJECT_ARG,
      files: FILES_ARG,
      ...CLIENT_ARGS,
      reason: { type: 'string', description: 'What pip and uv tell those who install it anyway', valueHint: 'TEXT' },
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    repeats: true,
    notes: CREDENTIALS_NOTE,
    examples: [
      "depot python yank greeting 1.2.0 --reason 'broken on Windows'",
      'depot python yank greeting greeting-1.2.0-py3-none-any.whl https://depot.example.org',
    ],
    async run({ flags, positionals }) {
      const { project, meant, url } = fileArguments(positionals)
      const depot = await openDepot({ url, flags, env, io })
      const reason = lastOf(flags, 'reason')
      const files = await yankFiles(depot, project, { ...meant, yanked: true, ...(reason ? { reason } : {}) })
      for (const file of files) printFile(io, file, isOn(flags, 'json') ? undefined : 'yanked')
      return 0
    },
  }
}

/** `depot python unyank`. */
export function pythonUnyankCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python unyank',
    description: 'Take a yank back.',
    args: {
      project: PROJECT_ARG,
      files: FILES_ARG,
      ...CLIENT_ARGS,
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    repeats: true,
    notes: CREDENTIALS_NOTE,
    examples: ['depot python unyank greeting 1.2.0'],
    async run({ flags, positionals }) {
      const { project, meant, url } = fileArguments(positionals)
      const depot = await openDepot({ url, flags, env, io })
      const files = await yankFiles(depot, project, { ...meant, yanked: false })
      for (const file of files) printFile(io, file, isOn(flags, 'json') ? undefined : 'no longer yanked')
      return 0
    },
  }
}

function fileArguments(positionals: readonly string[]) {
  const { words, url } = wordsAndUrl(positionals, 2, 2)
  const [name, files = ''] = words
  const project = projectNamed(name)
  return { project, meant: meantBy(project, files), url }
}

/** One line on a file: what became of it, or all of it as JSON. */
function printFile(io: CliIo, file: ChangedFile, became: string | undefined): void {
  io.out(became === undefined ? JSON.stringify(file) : `${became} ${file.file}`)
}
