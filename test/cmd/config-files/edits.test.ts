import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { diffLines } from '../../../cmd/config-files/diff.ts'
import { applyEdit, EDIT, placeOf, undoEdit, withPrevious, type Edit } from '../../../cmd/config-files/edits.ts'
import { bare, splitLines } from '../../../cmd/config-files/lines.ts'

const file = '/home/me/file'
const url = 'https://depot.example/python/simple/'

const EDITS: readonly Edit[] = [
  { kind: 'netrc', file, host: 'depot.example' },
  { kind: 'nix-word', file, setting: 'substituters', word: 'https://depot.example/nix' },
  { kind: 'nix-value', file, setting: 'netrc-file', value: '/home/müller/.netrc' },
  { kind: 'npmrc', file, section: '', key: 'registry', value: 'https://depot.example/npm/' },
  { kind: 'npmrc', file, section: '', key: '//depot.example/npm/:_authToken' },
  { kind: 'pip-conf', file, section: 'global', key: 'index-url', value: url },
  { kind: 'uv-index', file, url },
]

const ONE = 'dpt_AAAAAAAAAAAA_secret_crc'
const TWO = 'dpt_BBBBBBBBBBBB_secret_crc'
const IDS = new Set(['AAAAAAAAAAAA'])

/** What people have in such files, and what nobody has. One character for each byte. */
const LINES = [
  '# a comment',
  '; another',
  '',
  '  ',
  'machine other login me password hunter2',
  'machine depot.example.org',
  '\tlogin you',
  'default login anonymous password x',
  'macdef init',
  'substituters = https://cache.example https://b.example # mine',
  'extra-substituters = https://c.example',
  '!include other.conf',
  'registry=https://registry.example/',
  '//registry.example/:_authToken=${NPM_TOKEN}',
  '[global]',
  'Index_URL = https://pypi.example/simple',
  '    https://second.example',
  '[install]',
  'offline = true',
  '[[index]]',
  'name = "a"',
  'url = "https://a.example/simple"',
  'caf\xc3\xa9 = "\xff"',
]

const texts = fc
  .tuple(fc.array(fc.constantFrom(...LINES), { maxLength: 12 }), fc.constantFrom('\n', '\r\n'), fc.boolean())
  .map(([lines, end, ended]) => lines.join(end) + (ended && lines.length > 0 ? end : ''))

describe.each(EDITS)('an edit of $kind $key', (edit) => {
  it('keeps every line that it does not replace, writes once, and is taken out without a trace', () => {
    fc.assert(
      fc.property(texts, (before) => {
        const known = withPrevious(edit, before)
        const after = applyEdit(known, before, ONE)
        if (after === undefined) return
        const replaced = 'previous' in known
        const ours = (line: string): boolean => replaced && /registry ?=|index.url|second\.example/i.test(line)
        const linesOf = (text: string): string[] =>
          splitLines(text)
            .map(bare)
            .filter((line) => !ours(line))
        expect(leftOut(linesOf(before), linesOf(after))).toEqual([])
        expect(applyEdit(known, after, ONE)).toBe(after)
        if (!replaced && after !== before) expect([before, terminated(before)]).toContain(undoEdit(known, after, IDS))
      }),
      { numRuns: 500 },
    )
  })

  it('changes only the token when it is done again', () => {
    const once = applyEdit(edit, '# mine\n', ONE) ?? ''
    expect(applyEdit(edit, once, TWO)).toBe(once.replace(ONE, TWO))
  })

  it('is remembered as data, without the token', () => {
    expect(EDIT.parse(JSON.parse(JSON.stringify(edit)))).toEqual(edit)
    expect(placeOf({ ...edit, file: 'elsewhere' })).not.toBe(placeOf(edit))
  })
})

describe('an edit', () => {
  const npm: Edit = { kind: 'npmrc', file, section: '', key: 'registry', value: 'new' }
  const token: Edit = { kind: 'npmrc', file, section: '', key: '//depot.example/npm/:_authToken' }

  it('brings back what it replaced', () => {
    const before = 'a=1\nregistry=https://registry.example/\n'
    const known = withPrevious(npm, before)
    const after = applyEdit(known, before, '') ?? ''
    expect(after).toBe('a=1\nregistry=new\n')
    expect(undoEdit(known, after, IDS)).toBe(before)
    expect(undoEdit(known, 'registry=changed since\n', IDS)).toBe('registry=changed since\n')
  })

  it('does not take out the token of another depot that has taken its place', () => {
    for (const own of [token, EDITS[0] ?? token]) {
      const text = applyEdit(own, '', TWO) ?? ''
      expect(undoEdit(own, text, IDS)).toBe(text)
      expect(undoEdit(own, applyEdit(own, '', ONE) ?? '', IDS)).toBe('')
    }
  })

  it('does not take away a password of somebody else', () => {
    expect(applyEdit(npm, 'registry=https://me:hunter2@registry.example/\n', '')).toBeUndefined()
    expect(applyEdit(token, '//depot.example/npm/:_authToken=${NPM_TOKEN}\n', 'dpt_a')).toBeUndefined()
    expect(undoEdit(token, '//depot.example/npm/:_authToken=theirs\n', IDS)).toBe(
      '//depot.example/npm/:_authToken=theirs\n',
    )
  })
})

describe('diffLines', () => {
  it('shows what changes and no secret', () => {
    const before = 'a\nmachine h login depot password dpt_old\nb\nmachine x password hunter2\n'
    const after = 'a\nmachine h login depot password dpt_new\nb\nc\n'
    const diff = diffLines('/f', before, after)
    expect(diff.join('\n')).toBe(
      '--- /f\n+++ /f\n@@ -2 +2 @@\n-machine h login depot password <secret>\n+machine h login depot password <secret>\n@@ -4 +4 @@\n-machine x password <secret>\n+c',
    )
    expect(diffLines('/f', '', 'x=1\n')).toEqual(['--- /dev/null', '+++ /f', '@@ -0,0 +1 @@', '+x=1'])
    expect(diffLines('/f', 'a', 'a')).toEqual([])
    expect(diffLines('/f', '', '//h/:_authToken=${X}\nr=https://u:pw@h/\nr=http://h:80/npm/\n').slice(3)).toEqual([
      '+//h/:_authToken=<secret>',
      '+r=https://u:<secret>@h/',
      '+r=http://h:80/npm/',
    ])
  })
})

/** A text whose last line is ended, as everything is that a line was added to. */
function terminated(text: string): string {
  return text === '' || text.endsWith('\n') ? text : text + (text.includes('\r\n') ? '\r\n' : '\n')
}

/** The lines that are not found again in this order. */
function leftOut(before: readonly string[], after: readonly string[]): string[] {
  let at = 0
  return before.filter((line) => {
    const found = after.indexOf(line, at)
    if (found !== -1) at = found + 1
    return found === -1
  })
}
