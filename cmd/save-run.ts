import path from 'node:path'

import { createDownload } from '../src/client/download.ts'
import type { SaveRun } from '../src/client/runs.ts'
import { PROGRAMS } from '../src/node/programs.ts'
import { openSavedFolder } from '../src/node/saved-folder.ts'
import { UsageError, type CliIo, type ParsedArgs } from './cli.ts'
import { isOn, lastOf } from './flags.ts'
import type { Environment } from './settings.ts'
import { startReport } from './transfer-report.ts'
import { clientName } from './version.ts'

/** What every save takes besides what it saves. */
export const SAVE_ARGS = {
  dir: { type: 'string', description: 'Folder to save into (default: .depot-storage/<ecosystem>)', valueHint: 'DIR' },
  json: { type: 'boolean', description: 'One JSON object a line' },
} as const

/** For their help. */
export const SAVE_NOTE =
  'What is in the folder already is not fetched again: start it again after it was stopped. It ends with 1 when something\n' +
  'could not be saved, and names it.'

export interface SaveRunOptions {
  /** 'npm', 'python', 'nix': a folder's name and its variable. */
  readonly ecosystem: 'npm' | 'python' | 'nix'
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
  const named = lastOf(flags, 'dir') ?? env[`DEPOT_${ecosystem.toUpperCase()}_DIR`]
  return path.resolve(named === undefined || named === '' ? path.join(SAVED, ecosystem) : named)
}

/** Holds a folder for each ecosystem. */
export const SAVED = '.depot-storage'
