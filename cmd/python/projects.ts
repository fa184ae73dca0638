import { STATUSES } from '../../protocols/python/records.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot } from '../client/client.ts'
import { isOn, lastOf } from '../flags.ts'
import { listProjects, projectInfo, setStatus, type ProjectInfo, type ProjectState } from './api.ts'
import { PROJECT_ARG, projectNamed, wordsAndUrl } from './arguments.ts'
import type { Environment } from '../environment.ts'
import { table } from '../terminal/table.ts'

/** `depot python list`. */
export function pythonListCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python list',
    description: 'List the Python projects of a depot, or the files of one with what was yanked and deleted.',
    args: {
      project: {
        type: 'positional',
        description: 'Project; behind it the URL of the depot (default: as for login)',
        required: false,
      },
      ...CLIENT_ARGS,
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    repeats: true,
    notes: CREDENTIALS_NOTE,
    examples: ['depot python list', 'depot python list greeting https://depot.example.org --json'],
    async run({ flags, positionals }) {
      const { words, url } = wordsAndUrl(positionals, 0, 1)
      const project = words[0] === undefined ? undefined : projectNamed(words[0])
      const depot = await openDepot({ url, flags, env, io })
      const json = isOn(flags, 'json')
      if (project !== undefined) {
        const info = await projectInfo(depot, project)
        for (const line of json ? [JSON.stringify(info)] : lines(info)) io.out(line)
        return 0
      }
      for await (const page of listProjects(depot))
        for (const name of page) io.out(json ? JSON.stringify({ project: name }) : name)
      return 0
    },
  }
}

function lines(info: ProjectInfo): string[] {
  const files = info.files.map(({ file, version, size, uploadTime, yanked }) => [
    uploadTime.slice(0, 16).replace('T', ' '),
    version,
    String(size),
    file,
    yanked === false ? '' : yanked === true ? 'yanked' : `yanked: ${yanked}`,
  ])
  const deleted = info.deleted.map(({ file, deleted: at }) => `deleted ${at.slice(0, 16).replace('T', ' ')}  ${file}`)
  const listed = files.length === 0 ? [] : table([['uploaded', 'version', 'size', 'file', ''], ...files])
  return [stateOf(info), ...listed, ...deleted]
}

function stateOf({ project, status, reason }: ProjectState): string {
  return `${project}: ${status}${reason === undefined ? '' : ` (${reason})`}`
}

const WORDS = ['active', ...STATUSES]

/** `depot python status`. */
export function pythonStatusCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python status',
    description: 'Show how a project stands, or say so: archived ones take no files, quarantined ones offer none.',
    args: {
      project: PROJECT_ARG,
      status: {
        type: 'positional',
        description: `${WORDS.join(', ')}; behind it the URL of the depot (default: as for login)`,
        required: false,
      },
      ...CLIENT_ARGS,
      reason: { type: 'string', description: 'Why', valueHint: 'TEXT' },
      json: { type: 'boolean', description: 'One JSON object' },
    },
    values: { status: WORDS },
    repeats: true,
    notes: `Into quarantine and out of it needs the right to administrate.\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot python status greeting',
      "depot python status greeting deprecated --reason 'use salute' https://depot.example.org",
    ],
    async run({ flags, positionals }) {
      const { words, url } = wordsAndUrl(positionals, 1, 2)
      const [name, status] = words
      const project = projectNamed(name)
      if (status !== undefined && !WORDS.includes(status))
        throw new UsageError(`a project is ${WORDS.join(', ')}: '${status}' is none of these`)
      const why = lastOf(flags, 'reason')
      if (status === undefined && why !== undefined) throw new UsageError('--reason of which status?')
      const depot = await openDepot({ url, flags, env, io })
      const state =
        status === undefined
          ? await projectInfo(depot, project)
          : await setStatus(depot, project, { status, ...(why === undefined ? {} : { reason: why }) })
      const told = { project: state.project, status: state.status, ...(state.reason ? { reason: state.reason } : {}) }
      io.out(isOn(flags, 'json') ? JSON.stringify(told) : stateOf(told))
      return 0
    },
  }
}
