import { LIMITS } from '../../../src/limits.ts'
import { findDistribution } from '../filename.ts'
import { parseVersion } from '../version.ts'
import { createCollector, lastSegment, type LockCollector } from './lock-collector.ts'
import { malformed } from './lock-error.ts'
import type { LockOptions, ReadLock } from './lock-types.ts'
import { fromPath, fromRepository, shown } from './other-source.ts'
import { parseRequirement, pinnedVersion } from './requirement.ts'
import { requirementsLines, type PlacedLine } from './requirements-lines.ts'

/** Reads a file that another one names, by its path as the one that names it makes it. */
export type ReadFile = (path: string) => Promise<string>

/**
 * What a requirements file asks for, with the files that it names by `-r` and `-c`. What has hashes is pinned, everything else is
 * still to be resolved.
 *
 * @throws DepotError `BAD_REQUEST` with the file and the line, and what `read` throws
 */
export async function readRequirements(path: string, read: ReadFile): Promise<ReadLock> {
  const reading = startReading(path)
  const seen = new Set<string>()
  const follow = async (at: string, isConstraint: boolean, depth: number): Promise<void> => {
    // The same file may both be asked for and limit.
    const key = `${isConstraint ? 'c' : 'r'} ${at}`
    if (seen.has(key)) return
    seen.add(key)
    const text = await read(at)
    if (text.length > LIMITS.lockFileCharsMax)
      throw malformed(at, `it is longer than ${LIMITS.lockFileCharsMax} characters`)
    for (const line of requirementsLines(at, text)) {
      if (line.kind !== 'option' || !NAMING.has(line.name)) {
        reading.add(line, isConstraint)
        continue
      }
      if (isAddress(line.value))
        throw malformed(line.where, `${shown(line.value)} is an address: save it as a file, and name that`)
      if (depth === LIMITS.requirementsDepthMax || seen.size >= LIMITS.requirementsFilesMax)
        throw malformed(line.where, 'too many files name one another')
      // As pip does: what a file of limits asks for by -r is asked for.
      await follow(beside(at, line.value), line.name === 'constraint', depth + 1)
    }
  }
  await follow(plainPath(path), false, 0)
  return reading.finish()
}

/**
 * As `readRequirements`, of one file. What it names by `-r` and `-c` is refused, or passed over.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function readRequirementsText(
  filename: string,
  text: string,
  { named = 'refuse' }: { readonly named?: 'refuse' | 'pass over' } = {},
): ReadLock {
  const reading = startReading(filename)
  for (const line of requirementsLines(filename, text)) {
    if (line.kind !== 'option' || !NAMING.has(line.name)) reading.add(line, false)
    else if (named === 'refuse') throw malformed(line.where, 'it names another file, which is not here')
  }
  return reading.finish()
}

const NAMING: ReadonlySet<string> = new Set(['requirement', 'constraint'])

function startReading(filename: string) {
  const collector = createCollector('requirements.txt', filename)
  const options = startOptions()
  return {
    add(line: PlacedLine, isConstraint: boolean): void {
      if (line.kind === 'requirement') addRequirement(collector, line, isConstraint)
      else if (line.name === 'editable') addOther(collector, line.value)
      else options.take(line)
    },
    finish: (): ReadLock => collector.finish(options.taken()),
  }
}

function addRequirement(
  collector: LockCollector,
  { text, hashes, where }: Extract<PlacedLine, { kind: 'requirement' }>,
  isConstraint: boolean,
): void {
  // As pip has it: what is called like an archive is one, although it could be a project's name.
  const parsed = ARCHIVE.test(text) ? undefined : parseRequirement(text)
  if (parsed === undefined) return addAddress(collector, { text, hashes, where })
  const line = text.replace(/\s+/g, ' ')
  if (isConstraint) return collector.constraint(line)
  const { project, extras, specifier, url, marker } = parsed
  if (url !== undefined) return addUrl(collector, where, { project, url, hashes, line })
  const version = pinnedVersion(specifier)
  if (hashes.length === 0 || version === undefined || parseVersion(version) === undefined) collector.requirement(line)
  else collector.version(where, { project, version, extras, hashes, marker })
}

/** What has no name: an address, or a path. */
function addAddress(
  collector: LockCollector,
  { text, hashes, where }: { readonly text: string; readonly hashes: readonly string[]; readonly where: string },
): void {
  if (text.length > LIMITS.requirementLengthMax) throw malformed(where, 'the requirement is too long')
  const [address = '', ...rest] = text.split(/\s*;\s*|\s+(?=;)/)
  if (isAddress(address)) {
    const distribution = findDistribution(lastSegment(address))
    if (distribution === undefined) throw malformed(where, `${shown(address)} is the address of no wheel and no sdist`)
    const { project } = distribution
    const marker = rest.length === 0 ? '' : ` ; ${rest.join(' ')}`
    return addUrl(collector, where, { project, url: address, hashes, line: `${project} @ ${address}${marker}` })
  }
  if (![ARCHIVE, LIKE_A_PATH, REPOSITORY].some((form) => form.test(address)))
    throw malformed(where, `'${text.slice(0, 200)}' is no requirement as PEP 508 defines it`)
  addOther(collector, address)
}

const ARCHIVE = /^[^\s@;=<>!~]+\.(?:whl|zip|tar\.gz|tgz|tar\.bz2)(?:\[[^\]]*\])?(?:$|[\s;])/i
const LIKE_A_PATH = /^(?:\.{1,2}$|[^\s=<>!~]*[/\\][^=<>!~]*$)/
const REPOSITORY = /^(?:git|hg|svn|bzr)\+/i

function addUrl(
  collector: LockCollector,
  where: string,
  wanted: { readonly project: string; readonly url: string; readonly hashes: readonly string[]; readonly line: string },
): void {
  const { project, url, hashes, line } = wanted
  if (!isAddress(url)) return addOther(collector, url, project)
  const fragment = /#(?:.*&)?((?:md5|sha1|sha224|sha256|sha384|sha512)=[0-9a-f]+)/i.exec(url)?.[1]
  const all = fragment === undefined ? hashes : [...hashes, fragment]
  collector.file(where, { project, url: url.replace(/#.*$/s, ''), hashes: all })
  // Without a hash nobody has looked at what it depends on.
  if (hashes.length === 0) collector.requirement(line)
}

function addOther(collector: LockCollector, address: string, name?: string): void {
  const called = name ?? /[#&]egg=([^&[]+)/.exec(address)?.[1] ?? lastSegment(address)
  if (REPOSITORY.test(address)) collector.other(fromRepository(called, address))
  else collector.other(fromPath(called === '' ? address : called, address))
}

function isAddress(text: string): boolean {
  return /^https?:\/\//i.test(text)
}

function startOptions() {
  let indexUrl: string | undefined
  const [extraIndexUrls, findLinks, noBinary, onlyBinary] = [[], [], [], []] as [string[], string[], string[], string[]]
  const on = new Set<string>()
  const lists = new Map([
    ['extra-index-url', extraIndexUrls],
    ['find-links', findLinks],
    ['no-binary', noBinary],
    ['only-binary', onlyBinary],
  ])
  return {
    take({ name, value }: { readonly name: string; readonly value: string }): void {
      if (name === 'index-url') indexUrl = value
      lists.get(name)?.push(...(name.endsWith('-binary') ? value.split(',') : [value]))
      on.add(name)
    },
    taken: (): Partial<LockOptions> => ({
      ...(indexUrl === undefined ? {} : { indexUrl }),
      extraIndexUrls,
      findLinks,
      noBinary,
      onlyBinary,
      noIndex: on.has('no-index'),
      preReleases: on.has('pre'),
      requireHashes: on.has('require-hashes'),
    }),
  }
}

/** A path that a file names is one from where that file lies. */
function beside(file: string, named: string): string {
  if (/^(?:[/\\]|[a-z]:[/\\])/i.test(named)) return plainPath(named)
  return plainPath(file.replace(/[^/\\]*$/, '') + named)
}

/** Without `.` and, where it is certain, `..`: a cycle then comes back to the same path. */
function plainPath(path: string): string {
  const kept: string[] = []
  for (const [index, name] of path.split('/').entries()) {
    if (name === '.' || (name === '' && index > 0)) continue
    if (name === '..' && kept.length > 0 && !['..', ''].includes(kept.at(-1) ?? '')) kept.pop()
    else kept.push(name)
  }
  return kept.join('/')
}
