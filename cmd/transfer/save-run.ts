import path from 'node:path'

import { createDownload } from '../../src/client/download.ts'
import type { ECOSYSTEMS } from '../../protocols/index.ts'
import type { SaveRun } from '../../src/client/runs.ts'
import { PROGRAMS } from '../../src/node/programs.ts'
import { openSavedFolder } from '../../src/node/saved-folder.ts'
import { UsageError, type CliIo, type ParsedArgs } from '../cli.ts'
import { isOn, lastOf } from '../flags.ts'
import type { Environment } from '../environment.ts'
import { startReport } from './report.ts'
import { clientName } from '../version.ts'

/** Whose folder it is: its name, and part of its variable's. */
export type Ecosystem = (typeof ECOSYSTEMS)[number]

/** What every save takes besides what it saves. */
export function saveArgs(ecosystem: Ecosystem) {
  return {
    dir: { type: 'string', description: `Folder to save into ${defaultDirectory(ecosystem)}`, valueHint: 'DIR' },
    json: { type: 'boolean', description: 'One JSON object a line' },
  } as const
}

/** For the help of `--dir`. */
export function defaultDirectory(ecosystem: Ecosystem): string {
  return `(default: ${variableOf(ecosystem)}, else ${path.join(SAVED, ecosystem)})`
}

/** For their help. */
export const SAVE_NOTE =
  'What is in the folder already is not fetched again: start it again after it was stopped. It ends with 1 when something\n' +
  'could not be saved, and names it.'

export interface SaveRunOptions {
  readonly ecosystem: Ecosystem
  readonly flags: ParsedArgs['flags']
  readonly env: Environment
  readonly io: CliIo
  /** The Authorization header for an address, if the user's settings name one. */
  readonly authorization?: (url: URL) => string | undefined
}

/**
 * Run a save to its end and return the exit status.
 *
 * @throws DepotError for what ends it early, after what was done until then has been reported
 */
export async function runSave(options: SaveRunOptions, work: (run: SaveRun) => Promise<void>): Promise<number> {
  const { flags, io, authorization } = options
  using report = startReport({ io, json: isOn(flags, 'json'), verb: 'saved' })
  const download = createDownload({
    userAgent: clientName(),
    report,
    ...(authorization === undefined ? {} : { authorization }),
  })
  await using folder = await openSavedFolder(savedDirectory(options))
  try {
    await work({ folder, download, programs: PROGRAMS, report })
  } catch (error) {
    if (!(error instanceof UsageError)) report.finish()
    throw error
  }
  return report.finish()
}

/** Where things are saved: --dir, the ecosystem's variable, or a folder below the working directory. */
export function savedDirectory({ ecosystem, flags, env }: Pick<SaveRunOptions, 'ecosystem' | 'flags' | 'env'>): string {
  const named = lastOf(flags, 'dir') ?? env[variableOf(ecosystem)]
  return path.resolve(named === undefined || named === '' ? path.join(SAVED, ecosystem) : named)
}

function variableOf(ecosystem: Ecosystem): string {
  return `DEPOT_${ecosystem.toUpperCase()}_DIR`
}

/** Holds a folder for each ecosystem. */
export const SAVED = '.depot-storage'
