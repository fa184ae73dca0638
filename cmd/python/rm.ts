import { confirm } from '../terminal/ask.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot } from '../client/client.ts'
import { depotKey } from '../client/depot-url.ts'
import { isOn } from '../flags.ts'
import { deleteFiles, forgetFile, type ChangedFile } from './api.ts'
import { fileNamed, meantBy, PROJECT_ARG, projectNamed, wordsAndUrl } from './arguments.ts'
import type { Environment } from '../environment.ts'

/** `depot python rm`. */
export function pythonRmCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python rm',
    description: 'Delete a file, a version or a whole project from a depot. The names of its files stay taken.',
    args: {
      project: PROJECT_ARG,
      files: {
        type: 'positional',
        description: 'A version, or one file (default: all of the project); behind it the URL of the depot',
        required: false,
      },
      ...CLIENT_ARGS,
      'dry-run': { type: 'boolean', description: 'Only show what would go' },
      yes: { type: 'boolean', description: 'Ask no questions' },
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    repeats: true,
    notes:
      'Needs the right to delete. Lock files that name a deleted file no longer install: depot python yank keeps them working. Clients\n' +
      `and proxies may have the file in their caches.\n\n${CREDENTIALS_NOTE}`,
    examples: ['depot python rm greeting 1.2.0 --dry-run', 'depot python rm --yes greeting https://depot.example.org'],
    async run({ flags, positionals }) {
      const { words, url } = wordsAndUrl(positionals, 1, 2)
      const project = projectNamed(words[0])
      const meant = words[1] === undefined ? { all: true as const } : meantBy(project, words[1])
      const depot = await openDepot({ url, flags, env, io })
      const print = (file: ChangedFile, deleted: boolean): void => {
        if (isOn(flags, 'json')) io.out(JSON.stringify({ ...file, deleted }))
        else io.out(`${deleted ? 'deleted' : 'would delete'} ${file.file}`)
      }
      const plan = await deleteFiles(depot, project, { ...meant, dryRun: true })
      if (isOn(flags, 'dry-run')) {
        for (const file of plan) print(file, false)
        return 0
      }
      if (!isOn(flags, 'yes') && !(await agreed(plan, depotKey(depot.url), io))) return 1
      for (const file of await deleteFiles(depot, project, meant)) print(file, true)
      return 0
    },
  }
}

async function agreed(plan: readonly ChangedFile[], depot: string, io: CliIo): Promise<boolean> {
  for (const { file } of plan.slice(0, SHOWN_MAX)) io.err(file)
  if (plan.length > SHOWN_MAX) io.err(`and ${plan.length - SHOWN_MAX} more`)
  const what = plan.length === 1 ? 'this file' : `these ${plan.length} files`
  const answer = await confirm(`Delete ${what} from ${depot}? The names stay taken.`)
  if (answer === undefined) throw new UsageError('nobody to ask: --yes deletes, --dry-run shows what would go')
  return answer
}

const SHOWN_MAX = 20

/** `depot python forget`. */
export function pythonForgetCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python forget',
    description: 'Forget that a file was deleted, so that its name may be published again, with other bytes too.',
    args: {
      file: {
        type: 'positional',
        description: 'File name; behind it the URL of the depot (default: as for login)',
        required: true,
      },
      ...CLIENT_ARGS,
      json: { type: 'boolean', description: 'One JSON object' },
    },
    repeats: true,
    notes: `Needs the right to administrate, and the audit log keeps it.\n\n${CREDENTIALS_NOTE}`,
    examples: ['depot python forget greeting-1.2.0-py3-none-any.whl'],
    async run({ flags, positionals }) {
      const { words, url } = wordsAndUrl(positionals, 1, 1)
      const file = fileNamed(words[0] ?? '')
      const depot = await openDepot({ url, flags, env, io })
      const forgotten = await forgetFile(depot, file)
      io.out(isOn(flags, 'json') ? JSON.stringify(forgotten) : `${forgotten.file} may be published again`)
      return 0
    },
  }
}
