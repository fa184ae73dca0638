import { findDistribution, parseDistribution, type Distribution } from './filename.ts'
import { parseProjectName, type ProjectName } from './project-name.ts'
import { parseVersion, type Version } from './version.ts'

/** A path segment that names a project. An empty one, as behind a trailing slash, is none. */
export function projectParam(segment: string): ProjectName | undefined {
  return segment === '' ? undefined : parseProjectName(segment)
}

/** A path segment that is a version, in any spelling. */
export function versionParam(segment: string): Version | undefined {
  return parseVersion(segment)
}

/** The last segment of a file's path. What it means depends on the method, so that a GET of nonsense is a plain 404. */
export interface FileName {
  /** As a reader asks for it: undefined when no file can have that name. */
  readonly reading: { readonly distribution: Distribution; readonly part: 'content' | 'metadata' } | undefined
  /** As a writer sends it. @throws DepotError `INVALID_NAME` */
  writing(): { readonly distribution: Distribution; readonly part: 'content' | 'entry' }
}

const METADATA_SUFFIX = '.metadata'
const ENTRY_SUFFIX = '.json'

export function fileParam(segment: string): FileName | undefined {
  if (segment === '') return undefined
  const isMetadata = segment.endsWith(METADATA_SUFFIX)
  const distribution = findDistribution(isMetadata ? segment.slice(0, -METADATA_SUFFIX.length) : segment)
  return {
    reading: distribution === undefined ? undefined : { distribution, part: isMetadata ? 'metadata' : 'content' },
    writing() {
      if (!segment.endsWith(ENTRY_SUFFIX)) return { distribution: parseDistribution(segment), part: 'content' }
      return { distribution: parseDistribution(segment.slice(0, -ENTRY_SUFFIX.length)), part: 'entry' }
    },
  }
}
