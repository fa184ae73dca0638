import process from 'node:process'

import type { Outcome, Report } from '../../src/client/report.ts'
import type { CliIo } from '../cli.ts'
import { plain, plainJson } from '../terminal/plain.ts'
import { startProgress } from '../terminal/progress.ts'
import { size, startPace } from '../terminal/pace.ts'

/** Tells how a long command goes, and at its end what failed and why. */
export interface TransferReport extends Report, Disposable {
  /** Print what there is to say at the end. Returns the exit status: 1 when something failed. */
  finish(): number
}

export interface ReportOptions {
  readonly io: CliIo
  /** One JSON object a line: each outcome, then the counts. */
  readonly json: boolean
  /** What was done with what is `done`. */
  readonly verb: keyof typeof WOULD
  /** Nothing is done; what would be is told. */
  readonly dryRun?: boolean
}

const WOULD = { sent: 'would send', saved: 'would save' } as const

/**
 * Tells how a command goes: on a terminal by one line that changes, elsewhere by a line for each thing that was done. What
 * failed and what was left out comes at the end, where it is seen.
 */
export function startReport({ io, json, verb, dryRun = false }: ReportOptions): TransferReport {
  const counts = { done: 0, there: 0, failed: 0, 'left out': 0, untold: 0 }
  const failures: Outcome[] = []
  const outside: Outcome[] = []
  let doneBytes = 0
  const onTerminal = process.stdout.isTTY && !json
  const progress = startProgress(json)
  const pace = startPace(() => performance.now())
  const done = dryRun ? WOULD[verb] : verb
  const show = (item = ''): void => {
    const state = `${counts.done} ${done}, ${counts.there} there already, ${counts.failed} failed`
    const line = `${state}  ${pace.text()}  ${plain(item)}`
    // A line that breaks would not be overwritten by the next; some terminals say that they have no columns at all.
    progress.show(line.slice(0, (process.stderr.columns || 80) - 1))
  }

  return {
    add(outcome) {
      const { result, item, sizeBytes = 0 } = outcome
      counts[result]++
      pace.ended()
      if (result === 'done') doneBytes += sizeBytes
      if (json)
        io.out(plainJson({ ...outcome, ...(result === 'done' ? { result: verb, ...(dryRun ? { dryRun } : {}) } : {}) }))
      else if (result === 'failed' && failures.length < FAILURES_TOLD_MAX) failures.push(outcome)
      else if (result === 'left out' && outcome.reason === undefined) counts.untold++
      else if (result === 'left out' && outside.length < LEFT_OUT_TOLD_MAX) outside.push(outcome)
      else if (result === 'done' && !onTerminal) io.out(`${done} ${plain(item)}`)
      show(item)
    },
    expect: (more) => pace.expect(more),
    moved(bytes) {
      if (pace.moved(bytes)) show()
    },
    finish() {
      progress[Symbol.dispose]()
      const { there, failed, 'left out': leftOut } = counts
      if (json) {
        const counted = { [verb]: counts.done, [`${verb}Bytes`]: doneBytes, there, failed, leftOut }
        io.out(JSON.stringify({ ...counted, ...(dryRun ? { dryRun } : {}) }))
        return failed === 0 ? 0 : 1
      }
      for (const { item, reason } of outside) io.out(plain(`left out ${item}: ${reason}`))
      const more = leftOut - counts.untold - outside.length
      if (more > 0) io.out(`and ${more} more were left out: --json names them all`)
      for (const { item, reason } of failures) io.err(`depot: ${plain(`${item}: ${reason}`)}`)
      if (failed > failures.length) io.err(`depot: and ${failed - failures.length} more failed: --json names them all`)
      const last = leftOut === 0 ? '' : `, ${leftOut} left out`
      io.out(`${done} ${counts.done} (${size(doneBytes)}), ${there} there already, ${failed} failed${last}`)
      return failed === 0 ? 0 : 1
    },
    [Symbol.dispose]: () => progress[Symbol.dispose](),
  }
}

/** Somebody has to look at each of them. */
const FAILURES_TOLD_MAX = 10_000
/** A folder that holds much else is not the right one. */
const LEFT_OUT_TOLD_MAX = 100
