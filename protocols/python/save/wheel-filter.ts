import { DepotError } from '../../../src/errors.ts'
import type { Distribution } from '../filename.ts'

/** For which interpreters and machines wheels are wanted; an empty list is all of them. */
export interface Wanted {
  readonly pythons: readonly Python[]
  readonly platforms: readonly Platform[]
}

/** A kind of interpreter: `3.12`, `3.13t` without the global lock, `pypy3.10`. */
export interface Python {
  readonly typed: string
  readonly implementation: 'cp' | 'pp'
  readonly major: number
  readonly minor: number
  readonly freeThreaded: boolean
}

export interface Platform {
  readonly typed: string
  /** Whether a platform tag of a wheel is for it. */
  readonly fits: (tag: string) => boolean
}

const PYTHON = /^(?<pypy>pypy|pp)?(?<major>\d{1,2})\.(?<minor>\d{1,3})(?:\.\d{1,4})?(?<free>t)?$/i

/** @throws DepotError `BAD_REQUEST` */
export function parsePython(typed: string): Python {
  const groups = PYTHON.exec(typed)?.groups
  if (groups === undefined)
    throw new DepotError('BAD_REQUEST', `'${typed}' is no version of Python: give 3.12, 3.13t or pypy3.10`)
  return {
    typed,
    implementation: groups['pypy'] === undefined ? 'cp' : 'pp',
    major: Number(groups['major']),
    minor: Number(groups['minor']),
    freeThreaded: groups['free'] !== undefined,
  }
}

/** As resolvers take it. */
export function versionOf({ major, minor }: Python): string {
  return `${major}.${minor}`
}

/** The spellings of processors that platform tags have. */
const PROCESSORS = new Map([
  ['amd64', 'x86_64'],
  ['x64', 'x86_64'],
  ['arm64', 'aarch64'],
  ['x86', 'i686'],
])
const WINDOWS = new Map([
  ['x86_64', 'win_amd64'],
  ['aarch64', 'win_arm64'],
  ['i686', 'win32'],
])
/** Wheels of several processors in one, by the processor. */
const MAC = new Map([
  ['x86_64', ['x86_64', 'universal2', 'intel', 'fat64', 'universal']],
  ['aarch64', ['arm64', 'universal2']],
])

/**
 * `linux-x86_64`, `macos-arm64`, `windows-x86_64` and the like; or a tag as wheels have it. One that names a version of glibc or macOS
 * is also for what was made for an older one.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function parsePlatform(typed: string): Platform {
  const groups = /^(?<system>linux|macos|darwin|windows|win)-(?<processor>[a-z0-9_]+)$/.exec(
    typed.toLowerCase(),
  )?.groups
  if (groups !== undefined) return named(typed, groups['system'] ?? '', groups['processor'] ?? '')
  const tag = typed.toLowerCase()
  if (!/^[a-z][a-z0-9_]*$/.test(tag)) throw unknownPlatform(typed)
  return { typed, fits: tagged(tag) }
}

function named(typed: string, system: string, spelled: string): Platform {
  const processor = PROCESSORS.get(spelled) ?? spelled
  if (system === 'linux') {
    const pattern = /^(?:many|musl)?linux(?:_\d+_\d+|\d+)?_(?<processor>.+)$/
    return { typed, fits: (tag) => pattern.exec(tag)?.groups?.['processor'] === processor }
  }
  if (system.startsWith('win')) {
    const own = WINDOWS.get(processor)
    if (own === undefined) throw unknownPlatform(typed)
    return { typed, fits: (tag) => tag === own }
  }
  const kinds = MAC.get(processor)
  if (kinds === undefined) throw unknownPlatform(typed)
  return { typed, fits: (tag) => kinds.includes(MAC_TAG.exec(tag)?.groups?.['kind'] ?? '') }
}

function unknownPlatform(typed: string): DepotError {
  return new DepotError(
    'BAD_REQUEST',
    `'${typed}' is no platform: give linux-x86_64, linux-aarch64, macos-arm64, windows-x86_64 or a tag such as manylinux_2_28_x86_64`,
  )
}

const MAC_TAG = /^macosx_(?<major>\d+)_(?<minor>\d+)_(?<kind>.+)$/
const LINUX_TAG = /^(?<libc>many|musl)linux_(?<major>\d+)_(?<minor>\d+)_(?<kind>.+)$/
/** PEP 600: the older names of some versions of glibc. */
const MANYLINUX = new Map([
  ['manylinux1', 'manylinux_2_5'],
  ['manylinux2010', 'manylinux_2_12'],
  ['manylinux2014', 'manylinux_2_17'],
])

function tagged(wanted: string): Platform['fits'] {
  const newest = versioned(wanted)
  if (newest === undefined) return (tag) => tag === wanted
  const kinds = MAC.get(PROCESSORS.get(newest.kind) ?? newest.kind) ?? []
  return (tag) => {
    const made = versioned(tag)
    if (made === undefined || made.system !== newest.system)
      return newest.system !== 'macosx' && tag === `linux_${newest.kind}`
    const sameKind = made.kind === newest.kind || (made.system === 'macosx' && kinds.includes(made.kind))
    return sameKind && (made.major - newest.major || made.minor - newest.minor) <= 0
  }
}

interface VersionedTag {
  readonly system: string
  readonly major: number
  readonly minor: number
  readonly kind: string
}

function versioned(tag: string): VersionedTag | undefined {
  const [legacy = ''] = /^manylinux(?:1|2010|2014)(?=_)/.exec(tag) ?? []
  const spelled = legacy === '' ? tag : `${MANYLINUX.get(legacy) ?? legacy}${tag.slice(legacy.length)}`
  const groups = (MAC_TAG.exec(spelled) ?? LINUX_TAG.exec(spelled))?.groups
  if (groups === undefined) return undefined
  const { libc, major, minor, kind = '' } = groups
  return { system: libc ?? 'macosx', major: Number(major), minor: Number(minor), kind }
}

/** Whether a wheel can be installed by one of the interpreters on one of the machines. */
export function isWantedWheel({ tags = [] }: Distribution, { pythons, platforms }: Wanted): boolean {
  return tags.some((tag) => {
    const [python = '', abi = '', platform = ''] = tag.split('-')
    return (
      (platforms.length === 0 || platform === 'any' || platforms.some(({ fits }) => fits(platform))) &&
      (pythons.length === 0 || pythons.some((wanted) => fitsPython(wanted, python, abi)))
    )
  })
}

/** PEP 425: a generic tag is for later minor versions too, the stable ABI is as well, another one for its own version alone. */
function fitsPython(wanted: Python, python: string, abi: string): boolean {
  const groups = /^(?<implementation>[a-z]+)(?<major>\d)(?<minor>\d*)/.exec(python)?.groups
  if (groups === undefined) return false
  const { implementation, minor } = groups
  if (Number(groups['major']) !== wanted.major) return false
  if (implementation === 'py') return abi === 'none' && (minor === '' || Number(minor) <= wanted.minor)
  if (implementation !== wanted.implementation) return false
  if (abi === 'abi3') return !wanted.freeThreaded && Number(minor) <= wanted.minor
  if (abi === 'none') return minor === '' || Number(minor) === wanted.minor
  return Number(minor) === wanted.minor && /^cp\d+t/.test(abi) === wanted.freeThreaded
}

/** Whether each of the interpreters, on each of the machines, has a wheel among these; without any named, whether there is a wheel at all. */
export function haveWheelForAll(wheels: readonly Distribution[], { pythons, platforms }: Wanted): boolean {
  const ones = <T>(list: readonly T[]): (readonly T[])[] => (list.length === 0 ? [[]] : list.map((one) => [one]))
  return ones(pythons).every((python) =>
    ones(platforms).every((platform) =>
      wheels.some((wheel) => isWantedWheel(wheel, { pythons: python, platforms: platform })),
    ),
  )
}
