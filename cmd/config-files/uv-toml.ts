import { isDeepStrictEqual } from 'node:util'

import { parse, type TomlTable } from 'smol-toml'

import { appendLines, bare, endOf, splitLines } from './lines.ts'

/** The name of the index that is ours. */
const NAME = 'depot'

/**
 * Make a depot uv's default index in a uv.toml, everything else untouched. What the edited file says is compared with what it should
 * say, so an index that stands in a place that is not understood here is refused rather than broken.
 *
 * @param text the file, as UTF-8
 * @returns undefined when the file is not TOML, or has its indexes in a form that cannot be added to.
 */
export function setUvIndex(text: string, url: string): string | undefined {
  const wanted = { name: NAME, url, default: true }
  const before = tryParse(text)
  if (before === undefined || tooManyDefaults(before)) return undefined
  if (indexesOf(before).some((index) => same(index, wanted))) return text
  const lines = splitLines(text)
  const own = findOwn(lines)
  const after =
    own === undefined
      ? appendLines(text, blockOf(url))
      : [...lines.slice(0, own.start), replaceUrl(lines.slice(own.start, own.end), url), ...lines.slice(own.end)].join(
          '',
        )
  const there = indexesOf(before)
  const index = own === undefined ? [...there, wanted] : there.map((item) => (item['name'] === NAME ? wanted : item))
  return same(tryParse(after), { ...before, index }) ? after : undefined
}

/** Remove the index that `setUvIndex` made; a text in which it is not found as it was made stays as it is. */
export function removeUvIndex(text: string, url: string): string {
  const lines = splitLines(text)
  const own = findOwn(lines)
  if (own === undefined || bare(lines[own.start + 2] ?? '') !== `url = "${url}"`) return text
  const after = [...lines.slice(0, own.start), ...lines.slice(own.end)].join('')
  const before = tryParse(text)
  if (before === undefined) return text
  const { index: _index, ...others } = before
  const left = indexesOf(before).filter(({ name }) => name !== NAME)
  return same(tryParse(after), left.length === 0 ? others : { ...others, index: left }) ? after : text
}

function blockOf(url: string): string[] {
  return ['[[index]]', `name = "${NAME}"`, `url = "${url}"`, 'default = true']
}

/** Only the lines of a block as it is made here: what somebody added behind them is theirs. */
function findOwn(lines: readonly string[]): { readonly start: number; readonly end: number } | undefined {
  const start = lines.findIndex((_line, index) => {
    const block = lines.slice(index, index + 4).map(bare)
    return (
      block[0] === '[[index]]' &&
      block[1] === `name = "${NAME}"` &&
      /^url = "[^"\\]*"$/.test(block[2] ?? '') &&
      block[3] === 'default = true'
    )
  })
  return start === -1 ? undefined : { start, end: start + 4 }
}

function replaceUrl(block: readonly string[], url: string): string {
  return block.map((line) => (line.startsWith('url = ') ? `url = "${url}"${endOf(line)}` : line)).join('')
}

/** uv takes one default index: somebody else's is not ours to take away. */
function tooManyDefaults(settings: TomlTable): boolean {
  return indexesOf(settings).some((index) => index['default'] === true && index['name'] !== NAME)
}

function indexesOf(settings: TomlTable): TomlTable[] {
  const { index } = settings
  return Array.isArray(index) ? index.filter((item): item is TomlTable => isTable(item)) : []
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** Whether two readings agree; as JSON, because the parser's tables have no prototype and its dates have state. */
function same(found: TomlTable | undefined, expected: TomlTable): boolean {
  return found !== undefined && isDeepStrictEqual(plain(found), plain(expected))
}

function plain(settings: TomlTable): unknown {
  return JSON.parse(JSON.stringify(settings)) as unknown
}

function tryParse(text: string): TomlTable | undefined {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}
