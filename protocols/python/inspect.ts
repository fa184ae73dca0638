import { LIMITS } from '../../src/limits.ts'
import { createTurns } from '../../src/turns.ts'
import { shareOf } from '../../src/worker-share.ts'
import { brokenArchive } from './archive-error.ts'
import type { ByteSource } from './byte-source.ts'
import type { Distribution } from './filename.ts'
import { type CoreMetadata, parseCoreMetadata } from './metadata.ts'
import { isProjectName, normalizeProjectName } from './project-name.ts'
import { readSdistMetadata } from './sdist.ts'
import { compareVersions, parseVersion } from './version.ts'
import { readWheelMetadata } from './wheel.ts'

/** What the bytes of a distribution say about it, after they have been held against its file name. */
export interface Inspected {
  /** The project's name in its own spelling. */
  readonly name: string
  readonly requiresPython: string | undefined
  /** METADATA of a wheel, or PKG-INFO of an sdist where that is a promise about the wheels made from it. */
  readonly metadata: Uint8Array | undefined
}

/** @throws DepotError `CONTENT_MISMATCH` (400) when the archive does not open or is another project's or version's */
export async function inspectDistribution(source: ByteSource, distribution: Distribution): Promise<Inspected> {
  if (distribution.archive !== 'zip') return inspect(source, distribution)
  await zipTurns.take()
  try {
    return await inspect(source, distribution)
  } finally {
    zipTurns.giveBack()
  }
}

/** The directory of a zip file is in memory as a whole; a tar archive passes by. */
const zipTurns = createTurns(shareOf(LIMITS.zipsReadAtOnce))

async function inspect(source: ByteSource, distribution: Distribution): Promise<Inspected> {
  const isWheel = distribution.kind === 'wheel'
  const content = isWheel
    ? await readWheelMetadata(source, distribution.project)
    : await readSdistMetadata(source, distribution)
  if (content === undefined) return { name: distribution.project, requiresPython: undefined, metadata: undefined }
  const label = isWheel ? 'METADATA' : 'PKG-INFO'
  const core = parseCoreMetadata(content)
  if (core === undefined) throw brokenArchive(`${label} does not give one Name and one Version, or has too many lines`)
  refuseStranger(core, distribution, label)
  return {
    name: core.name,
    requiresPython: requiresPythonOf(core, label),
    metadata: isWheel || core.holdsForWheels ? content : undefined,
  }
}

function refuseStranger(core: CoreMetadata, { project, version }: Distribution, label: string): void {
  if (!isProjectName(core.name) || normalizeProjectName(core.name) !== project) {
    throw brokenArchive(`${label} names another project than the file name, which is for ${project}`)
  }
  const stated = parseVersion(core.version)
  if (stated === undefined || compareVersions(stated, version) !== 0) {
    throw brokenArchive(`${label} gives another version than the file name, which is for ${version.text}`)
  }
}

function requiresPythonOf({ requiresPython }: CoreMetadata, label: string): string | undefined {
  if (requiresPython === undefined || requiresPython === '') return undefined
  if (!isRequiresPython(requiresPython)) throw brokenArchive(`${label} has a malformed Requires-Python`)
  return requiresPython
}

/** Printable ASCII of bounded length. Whether it means anything is for pip to say: old files have odd ones. */
export function isRequiresPython(value: string): boolean {
  return value.length <= LIMITS.requiresPythonLengthMax && /^[\x20-\x7e]+$/.test(value)
}
