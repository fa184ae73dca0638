/** A program that ended by itself. */
export interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface ProgramRun {
  readonly args: readonly string[]
  /** Beside, or in place of, those of this process; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly input?: string
}

/** Runs programs of this machine: nix, uv, pip, git. No shell is between. */
export interface Programs {
  /**
   * Run one to its end.
   *
   * @throws DepotError `NOT_FOUND` when there is no such program, `TOO_LARGE` when it says too much
   */
  run(name: string, run: ProgramRun): Promise<Ended>
  /**
   * What one writes, as it comes.
   *
   * @throws DepotError `NOT_FOUND`, and `BAD_REQUEST` with the end of what it said when it ends with another status than 0
   */
  stream(name: string, run: ProgramRun): AsyncIterable<Uint8Array>
}
