import process from 'node:process'

import type { CliIo } from './cli.ts'
import { plain, plainJson } from './plain.ts'
import { startProgress } from './progress.ts'

/** What became of one thing that was to be imported. */
export interface Outcome {
  /** `@acme/button@1.0.0`, `greeting-1.0-py3-none-any.whl`. */
  readonly item: string
  /** `there`: the depot has it already. `left out`: it is nothing for a depot. */
  readonly result: 'sent' | 'there' | 'failed' | 'left out'
  readonly sizeBytes?: number
  /** Why it failed or was left out. */
  readonly reason?: string
}

export interface ImportReport extends Disposable {
  add(outcome: Outcome): void
  /** Print what there is to say at the end. Returns the exit status: 1 when something failed. */
  finish(): number
}

export interface ReportOptions {
  readonly io: CliIo
  /** One JSON object a line: each outcome, then the counts. */
  readonly json: boolean
  /** Nothing is sent; what would be is told. */
  readonly dryRun: boolean
}

/**
 * Tells how an import goes: on a terminal by one line that changes, elsewhere by a line for each thing that was sent. What
 * failed and what was left out comes at the end, where it is seen.
 */
export function startReport({ io, json, dryRun }: ReportOptions): ImportReport {
  const counts = { sent: 0, there: 0, failed: 0, 'left out': 0 }
  const failures: Outcome[] = []
  const outside: Outcome[] = []
  let sentBytes = 0
  const onTerminal = process.stdout.isTTY && !json
  const progress = startProgress(json)
  const sent = dryRun ? 'would send' : 'sent'

  return {
    add(outcome) {
      counts[outcome.result]++
      if (outcome.result === 'sent') sentBytes += outcome.sizeBytes ?? 0
      if (json) io.out(plainJson({ ...outcome, ...(dryRun && outcome.result === 'sent' ? { dryRun } : {}) }))
      else if (outcome.result === 'failed' && failures.length < FAILURES_TOLD_MAX) failures.push(outcome)
      else if (outcome.result === 'left out' && outside.length < LEFT_OUT_TOLD_MAX) outside.push(outcome)
      else if (outcome.result === 'sent' && !onTerminal) io.out(`${sent} ${plain(outcome.item)}`)
      const line = `${counts.sent} ${sent}, ${counts.there} there already, ${counts.failed} failed  ${plain(outcome.item)}`
      // A line that breaks would not be overwritten by the next; some terminals say that they have no columns at all.
      progress.show(line.slice(0, (process.stderr.columns || 80) - 1))
    },
    finish() {
      progress[Symbol.dispose]()
      const { there, failed, 'left out': leftOut } = counts
      if (json) {
        io.out(JSON.stringify({ sent: counts.sent, sentBytes, there, failed, leftOut, ...(dryRun ? { dryRun } : {}) }))
        return failed === 0 ? 0 : 1
      }
      for (const { item, reason } of outside) io.out(plain(`left out ${item}: ${reason}`))
      if (leftOut > outside.length) io.out(`and ${leftOut - outside.length} more were left out: --json names them all`)
      for (const { item, reason } of failures) io.err(`depot: ${plain(`${item}: ${reason}`)}`)
      if (failed > failures.length) io.err(`depot: and ${failed - failures.length} more failed: --json names them all`)
      const last = leftOut === 0 ? '' : `, ${leftOut} left out`
      io.out(`${sent} ${counts.sent} (${size(sentBytes)}), ${there} there already, ${failed} failed${last}`)
      return failed === 0 ? 0 : 1
    },
    [Symbol.dispose]: () => progress[Symbol.dispose](),
  }
}

/** Somebody has to look at each of them. */
const FAILURES_TOLD_MAX = 10_000
/** A folder that holds much else is not the right one. */
const LEFT_OUT_TOLD_MAX = 100

function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length)
  return `${(bytes / 1000 ** power).toFixed(1)} ${UNITS[power - 1]}`
}

const UNITS = ['kB', 'MB', 'GB', 'TB']
