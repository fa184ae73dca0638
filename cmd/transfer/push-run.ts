import type { PushRun } from '../../src/client/runs.ts'
import type { SavedFiles } from '../../src/client/saved-files.ts'
import { DepotError } from '../../src/errors.ts'
import { savedFiles } from '../../src/node/saved-files.ts'
import { isDirectory } from './input-files.ts'
import { defaultDirectory, savedDirectory, type Ecosystem } from './save-run.ts'
import { runTransfer, TRANSFER_ARGS, type TransferRunOptions } from './run.ts'
import { TOKEN_ARG } from '../client/typed-token.ts'

/** What the push of one ecosystem takes besides what it sends. */
export function pushArgs(ecosystem: Ecosystem) {
  return {
    dir: { type: 'string', description: `Folder that was saved ${defaultDirectory(ecosystem)}`, valueHint: 'DIR' },
    ...TOKEN_ARG,
    ...TRANSFER_ARGS,
  } as const
}

/** For their help. */
export const PUSH_NOTE =
  'It asks first what the depot has, and sends the rest: start it again after it was stopped. Nothing in the folder is changed.\n' +
  'It ends with 1 when something was damaged, missing or refused, and names it.'

export interface PushRunOptions extends TransferRunOptions {
  readonly ecosystem: Ecosystem
}

/**
 * Bring what was saved of one ecosystem into a depot, and return the exit status.
 *
 * @throws DepotError `NOT_FOUND` when there is no such folder, and as `runTransfer` does
 */
export async function runPush(options: PushRunOptions, work: (run: PushRun) => Promise<void>): Promise<number> {
  const files = await openSaved(options)
  return runTransfer(options, (run) => work({ ...run, files }))
}

/** What was saved of one ecosystem. @throws DepotError `NOT_FOUND` when there is no such folder */
export async function openSaved(options: Pick<PushRunOptions, 'ecosystem' | 'flags' | 'env'>): Promise<SavedFiles> {
  const directory = savedDirectory(options)
  if (await isDirectory(directory)) return savedFiles(directory)
  throw new DepotError(
    'NOT_FOUND',
    `there is nothing to push: ${directory} is no folder. Save something first (depot ${options.ecosystem} save), or name a folder: --dir DIR`,
  )
}
