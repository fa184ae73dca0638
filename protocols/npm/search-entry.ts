import { LIMITS } from '../../src/limits.ts'
import { unscoped } from './package-name.ts'
import { tagsOf } from './packument.ts'
import type { PackageRecord, VersionRecord } from './records.ts'
import type { KeywordRule, SearchText, Weights } from './search-query.ts'

/** What the index holds of a package: some hundred bytes. */
export interface SearchEntry {
  readonly name: string
  /** Everything that can be found, in lower case: the sections of `SECTIONS`, each but the first behind a mark. */
  readonly text: string
  readonly isDeprecated: boolean
  readonly isUnstable: boolean
  /** 0 to 1: how much the package says of itself. */
  readonly quality: number
}

/** What is told of a package is what its latest version says. */
export interface Described {
  readonly name: string
  readonly record: PackageRecord
  readonly latest: VersionRecord
}

/** The number that `latest` stands for, or undefined when no version is left. */
export function latestOf(record: PackageRecord): string | undefined {
  const tags = tagsOf(record)
  return Object.hasOwn(tags, 'latest') ? tags['latest'] : undefined
}

export function searchEntry({ name, record, latest: { manifest } }: Described): SearchEntry {
  const keywords = keywordsOf(manifest)
  const said = ['description', 'keywords', 'license', 'repository', 'author'].filter(
    (field) => manifest[field] !== undefined && manifest[field] !== '',
  )
  return {
    name,
    text: joined([
      name,
      // Each between line ends, so that a whole one is told from a part.
      keywords.length === 0 ? '' : `\n${keywords.join('\n')}\n`,
      personText(manifest['author']),
      maintainersOf(record, manifest).map(personText).join(' '),
      oneLine(textOf(manifest['description'])),
    ]),
    isDeprecated: isDeprecated(record, manifest),
    isUnstable: manifest.version.startsWith('0.'),
    quality: said.length / 5,
  }
}

const SECTIONS = ['name', 'keywords', 'author', 'maintainers', 'description'] as const
const MARK = '\u0001'

/** As one text that lies in memory once: a text that was put together stays in its parts until it is searched. */
function joined(sections: readonly string[]): string {
  return Buffer.from(
    sections
      .map((section) => section.replaceAll(MARK, ' '))
      .join(MARK)
      .toLowerCase(),
  ).toString()
}

function sectionOf({ text }: SearchEntry, section: (typeof SECTIONS)[number]): string {
  return text.split(MARK)[SECTIONS.indexOf(section)] ?? ''
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

/** How well a package fits, above 0, or undefined when it does not. */
export function relevance(entry: SearchEntry, wanted: SearchText): number | undefined {
  if (!passes(entry, wanted)) return undefined
  if (wanted.terms.length === 0) return 1
  if (!wanted.terms.every((term) => entry.text.includes(term))) return undefined
  const name = entry.name.toLowerCase()
  const points = wanted.terms.map((term) => pointsOf(entry, name, term))
  return points.reduce((sum, each) => sum + each, 0) / points.length
}

/** What a term is worth where it stands: the name first, then what the package says of itself. */
function pointsOf(entry: SearchEntry, name: string, term: string): number {
  if (name === term) return 100
  const own = unscoped(name)
  if (own === term) return 90
  if (name.startsWith(term) || own.startsWith(term)) return 50
  if (name.includes(term)) return 30
  return hasKeyword(entry, term) ? 20 : 10
}

function passes(entry: SearchEntry, { scopes, authors, maintainers, keywords, is, not }: SearchText): boolean {
  return (
    scopes.every((scope) => entry.name.toLowerCase().startsWith(scope)) &&
    authors.every((author) => sectionOf(entry, 'author').includes(author)) &&
    maintainers.every((maintainer) => sectionOf(entry, 'maintainers').includes(maintainer)) &&
    keywords.every((rule) => keeps(entry, rule)) &&
    is.every((flag) => flagOf(entry, flag) !== false) &&
    not.every((flag) => flagOf(entry, flag) !== true)
  )
}

function keeps(entry: SearchEntry, { any, none }: KeywordRule): boolean {
  if (none.some((word) => hasKeyword(entry, word))) return false
  return any.length === 0 || any.some((words) => words.every((word) => hasKeyword(entry, word)))
}

function hasKeyword({ text }: SearchEntry, word: string): boolean {
  return text.includes(`\n${word}\n`)
}

/** Undefined for a flag that nothing is known of here: it then decides nothing. */
function flagOf({ isDeprecated: deprecated, isUnstable }: SearchEntry, flag: string): boolean | undefined {
  if (flag === 'deprecated') return deprecated
  return flag === 'unstable' ? isUnstable : undefined
}

/** npm's three marks, 0 to 1. Nothing is counted here, so nothing is popular. */
export interface Marks {
  readonly quality: number
  readonly popularity: number
  readonly maintenance: number
}

export function marksOf({ quality, isDeprecated: deprecated, isUnstable }: SearchEntry): Marks {
  return { quality, popularity: 0, maintenance: deprecated ? 0 : isUnstable ? 0.5 : 1 }
}

/** The marks as one, 0 to 1, by the weights that the search gives them. */
export function finalMark(entry: SearchEntry, weights: Weights): number {
  const marks = marksOf(entry)
  const all = weights.quality + weights.popularity + weights.maintenance
  if (all === 0) return 0
  const { quality, popularity, maintenance } = weights
  return (quality * marks.quality + popularity * marks.popularity + maintenance * marks.maintenance) / all
}

/** A package's keywords, one line each; publishers also write them as one text. */
export function keywordsOf(manifest: VersionRecord['manifest']): readonly string[] {
  const given = manifest['keywords']
  const list: readonly unknown[] = Array.isArray(given) ? given : typeof given === 'string' ? given.split(/[,\s]+/) : []
  const words = list.slice(0, LIMITS.npmSearchKeywordsMax).map((word) => oneLine(textOf(word)).trim())
  const kept = words.filter((word) => word !== '')
  let length = 0
  return kept.filter((word) => (length += word.length) <= LIMITS.npmSearchFieldLengthMax)
}

/** The owners of the package: said by itself since, or by the manifest. */
export function maintainersOf(record: PackageRecord, manifest: VersionRecord['manifest']): readonly unknown[] {
  const given: unknown = record.maintainers ?? record.fields['maintainers'] ?? manifest['maintainers']
  return Array.isArray(given) ? given.slice(0, LIMITS.npmSearchPeopleMax) : []
}

export function isDeprecated(record: PackageRecord, manifest: VersionRecord['manifest']): boolean {
  const { deprecated = {} } = record
  const own = Object.hasOwn(deprecated, manifest.version) ? deprecated[manifest.version] : manifest['deprecated']
  return typeof own === 'string' ? own !== '' : own === true
}

export interface Person {
  readonly username?: string
  readonly email?: string
}

/** A person as manifests write them: an object, or `Name <address> (page)`. */
export function personOf(value: unknown): Person {
  if (typeof value === 'string') {
    const groups = PERSON.exec(value.slice(0, LIMITS.npmSearchFieldLengthMax))?.groups
    return personFrom(groups?.['name']?.trim(), groups?.['email'])
  }
  if (typeof value !== 'object' || value === null) return {}
  const { name, username, email } = value as Readonly<Record<string, unknown>>
  return personFrom(name ?? username, email)
}

/** Every part excludes the next one's first character, so nothing is tried twice. */
const PERSON = /^(?<name>[^<(]*)(?:<(?<email>[^>(]*)>)?/

function personFrom(name: unknown, email: unknown): Person {
  return {
    ...(typeof name === 'string' && name !== '' ? { username: textOf(name) } : {}),
    ...(typeof email === 'string' && email !== '' ? { email: textOf(email) } : {}),
  }
}

function personText(value: unknown): string {
  const { username = '', email = '' } = personOf(value)
  return oneLine(`${username} ${email}`).trim()
}

/** A text as far as it is kept; anything else is none. */
export function textOf(value: unknown): string {
  if (typeof value !== 'string') return ''
  // A copy: a part of a long text would keep all of it in memory.
  return value.length <= LIMITS.npmSearchFieldLengthMax
    ? value
    : Buffer.from(value.slice(0, LIMITS.npmSearchFieldLengthMax)).toString()
}
