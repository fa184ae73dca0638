import { endsTransfer } from '../../src/client/transfer-answer.ts'
import { createTransfer, type Transfer } from '../../src/client/transfer.ts'
import { DepotError, type ErrorCode } from '../../src/errors.ts'
import { UsageError, type CliIo, type ParsedArgs } from '../cli.ts'
import { openDepot, type OpenedDepot } from '../client/client.ts'
import { depotKey } from '../client/depot-url.ts'
import { isOn } from '../flags.ts'
import { startReport, type TransferReport } from './report.ts'
import { plain } from '../terminal/plain.ts'
import type { Environment } from '../environment.ts'
import { clientName } from '../version.ts'

/** What every import takes besides what it imports. */
export const TRANSFER_ARGS = {
  'dry-run': { type: 'boolean', description: 'Read and verify everything, ask what is there, send nothing' },
  json: { type: 'boolean', description: 'One JSON object a line' },
} as const

/** For their help. */
export const IMPORT_NOTE =
  'It asks first what the depot has, and sends the rest: start it again after it was stopped, and once more shortly before\n' +
  'you switch over. Nothing in the folder is changed. It ends with 1 when something was damaged, missing or refused.'

export interface TransferRun {
  /** Of the depot. */
  readonly url: URL
  readonly transfer: Transfer
  readonly report: TransferReport
  readonly dryRun: boolean
}

export interface TransferRunOptions {
  readonly url: string | undefined
  readonly flags: ParsedArgs['flags']
  readonly env: Environment
  readonly io: CliIo
}

/**
 * Run an import to its end and return the exit status.
 *
 * @throws DepotError for what ends it early, after what was done until then has been reported
 */
export async function runTransfer(
  options: TransferRunOptions,
  work: (run: TransferRun) => Promise<void>,
): Promise<number> {
  const { flags, io } = options
  const dryRun = isOn(flags, 'dry-run')
  const depot = await openDepot(options)
  const transfer = createTransfer({ url: depot.url, credentials: depot.credentials, userAgent: clientName() })
  using report = startReport({ io, json: isOn(flags, 'json'), verb: 'sent', dryRun })
  try {
    await work({ url: depot.url, transfer, report, dryRun })
  } catch (error) {
    if (!(error instanceof UsageError)) report.finish()
    throw endsTransfer(error) ? stopped(error, depot) : error
  }
  return report.finish()
}

function stopped({ code, message, cause }: DepotError, { url, who }: OpenedDepot): DepotError {
  const key = depotKey(url)
  const said = plain(message)
  const hints: Partial<Record<ErrorCode, string>> = {
    UNAUTHENTICATED: `${key} does not, or no longer, take ${who}; 'depot login' tries your SSH keys`,
    FORBIDDEN: `${key}: ${said}; you are ${who}, and 'depot whoami' shows your rights`,
  }
  const hint = hints[code] ?? said
  return new DepotError(code, `${hint}\n  What was sent is there: start again when this is mended`, {
    cause,
  })
}
