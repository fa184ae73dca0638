import { messageOf } from '../thrown.ts'
import { endsTransfer } from './transfer-answer.ts'

/** What became of one thing that was to be saved, sent or brought in. */
export interface Outcome {
  /** `@acme/button@1.0.0`, `greeting-1.0-py3-none-any.whl`, `/nix/store/<hash>-hello-2.12`. */
  readonly item: string
  /** `done`: saved, or sent. `there`: it needed nothing. `left out`: on purpose, with the reason. */
  readonly result: 'done' | 'there' | 'failed' | 'left out'
  readonly sizeBytes?: number
  /** Why it failed or was left out. What is left out without one, because it was asked for so, is only counted. */
  readonly reason?: string
}

/** Where a long command tells how it goes. */
export interface Report {
  add(outcome: Outcome): void
  /** More is to come than was known: so many things, of so many bytes as far as that is known. For the time that is left. */
  expect(more: { readonly items?: number; readonly bytes?: number }): void
  /** Bytes that went over the line, or through the disk, just now. */
  moved(bytes: number): void
}

/** Record as failed what concerns this item alone. @throws the error when it concerns all that is still to come, or is a bug */
export function failItem(report: Report, item: string, error: unknown): void {
  if (endsTransfer(error) || error instanceof TypeError) throw error
  report.add({ item, result: 'failed', reason: messageOf(error) })
}
