import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'

/** A project as somebody wrote it and as everybody means it. */
export interface ProjectName {
  /** As it was written: `My.Pkg_x`. */
  readonly typed: string
  /** The one name that records and URLs use: `my-pkg-x`. */
  readonly normalized: string
}

/** ASCII letters and digits at both ends, with `.`, `_` and `-` between them (packaging.python.org, "Names and normalization"). */
const NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i

/** Lower case, and every run of `-`, `_` and `.` one `-` (PEP 503). */
export function normalizeProjectName(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase()
}

/** Whether somebody may call a project that: other letters may have one of these as their lower case. */
export function isProjectName(typed: string): boolean {
  return typed.length <= LIMITS.pythonFileNameLengthMax && NAME.test(typed)
}

/** @throws DepotError `INVALID_NAME` for what cannot name a project */
export function parseProjectName(typed: string): ProjectName {
  if (!isProjectName(typed)) {
    throw new DepotError(
      'INVALID_NAME',
      'a project name consists of ASCII letters and digits, with ".", "-" and "_" between them',
    )
  }
  return { typed, normalized: normalizeProjectName(typed) }
}
