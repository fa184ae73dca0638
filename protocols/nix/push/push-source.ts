import type { PathFacts, PathSource } from '../closure/path-source.ts'

/** An archive as it lies somewhere, in a codec that every depot reads. */
export interface PackedArchive {
  /** `nar/<NarHash>.nar[.<suffix>]`, as a depot takes it. */
  readonly path: string
  blob(): Promise<Blob>
}

/** Where paths come from that are pushed. */
export interface PushSource extends PathSource {
  /** The archive of a path as a file that can be sent as it is, if there is one. Whoever takes it finds out whether it is the right one. */
  packed?(facts: PathFacts): Promise<PackedArchive | undefined>
}
