/** A file that was saved, is not carried, and that a depot lacks. */
export interface SavedAbsence {
  readonly path: string
  /** What the depot has in its place; undefined when it has nothing. */
  readonly reason: string | undefined
}
