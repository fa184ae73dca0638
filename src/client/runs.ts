import type { Download } from './download.ts'
import type { Programs } from './programs.ts'
import type { Report } from './report.ts'
import type { SavedFiles, SavedFolder } from './saved-files.ts'
import type { Transfer } from './transfer.ts'

/** What a save works with: it fills one folder. */
export interface SaveRun {
  readonly folder: SavedFolder
  readonly download: Download
  readonly programs: Programs
  readonly report: Report
}

/** What a push works with: it brings what was saved into a depot. */
export interface PushRun {
  readonly files: SavedFiles
  readonly transfer: Transfer
  readonly report: Report
  /** Verify everything, ask what is there, send nothing. */
  readonly dryRun: boolean
}
