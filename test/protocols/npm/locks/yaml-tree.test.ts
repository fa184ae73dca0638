import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'

import type { Tree } from '../../../../protocols/npm/locks/tree.ts'
import { readYamlTrees } from '../../../../protocols/npm/locks/yaml-tree.ts'
import { LIMITS } from '../../../../src/limits.ts'
import { refusalOf } from '../../../helpers/refusal.ts'

/** A tree as the values that a library makes of it; of keys that reach a prototype too. */
function valueOf(tree: Tree): unknown {
  if (tree.kind === 'text') return tree.text
  if (tree.kind === 'list') return tree.items.map(valueOf)
  if (tree.kind === 'map') return [...tree.entries].map(([key, value]) => [key, valueOf(value)])
  return tree.value
}

function trees(text: string): unknown[] {
  return readYamlTrees({ filename: 'a.yaml', text }).map(valueOf)
}

function listed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(listed)
  if (value instanceof Map) return [...value].map(([key, inner]) => [key as unknown, listed(inner)])
  return value
}

const LINE = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n\u2028\u2029\u0085\uFEFF]|\p{Cs}|\p{Cc}/gu, ' ')),
  fc.constantFrom(
    'a: b',
    '# no',
    '- x',
    '*',
    '&a',
    '!',
    '{',
    '[]',
    "it's",
    '"',
    '__proto__',
    '1.0',
    'null',
    '~',
    'a #b',
    '',
  ),
)

/** The printer spells empty texts as nothing at times, which no client does. */
const FULL = LINE.filter((text) => text !== '')

const { value: VALUE } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    FULL,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.uniqueArray(fc.tuple(FULL, tie('value')), { maxLength: 4, selector: ([key]) => key }).map((all) => new Map(all)),
  ),
}))

describe('readYamlTrees', () => {
  it('reads what a printer of YAML makes of any value as that value', () => {
    fc.assert(
      fc.property(
        fc.tuple(FULL, VALUE),
        fc.constantFrom('QUOTE_DOUBLE', 'QUOTE_SINGLE', 'PLAIN'),
        ([key, value], type) => {
          const options = {
            lineWidth: 0,
            schema: 'failsafe',
            defaultStringType: type,
            aliasDuplicateObjects: false,
          } as const
          const text = stringify(new Map([[key, value]]), options)
          expect(trees(text), JSON.stringify(text)).toEqual([listed(new Map([[key, value]]))])
        },
      ),
    )
  })

  it('finds every text where it stands', () => {
    const text = "\uFEFFa: plain text # why\r\n'b c':\n- \"d\\x41\\\"\"\n-   {e: 'it''s', f: [g, http://h/i#j]}\n"
    const found: string[] = []
    const visit = (tree: Tree): void => {
      if (tree.kind === 'text') found.push(text.slice(tree.at, tree.end))
      if (tree.kind === 'list') tree.items.forEach(visit)
      if (tree.kind === 'map') for (const value of tree.entries.values()) visit(value)
    }
    readYamlTrees({ filename: 'a.yaml', text }).forEach(visit)
    expect(found).toEqual(['plain text', 'd\\x41\\"', "it''s", 'g', 'http://h/i#j'])
    expect(trees(text)).toEqual([
      [
        ['a', 'plain text'],
        [
          'b c',
          [
            'dA"',
            [
              ['e', "it's"],
              ['f', ['g', 'http://h/i#j']],
            ],
          ],
        ],
      ],
    ])
  })

  it('passes over texts of several lines, whatever is in them, and reads long keys and several documents', () => {
    const text = [
      '--- # first',
      'a: >-',
      '  one',
      '',
      '    {two: [',
      '  # no comment',
      'b:',
      '  - |',
      '    x: *y',
      '  - z',
      'c: goes',
      '  on',
      '? long',
      ': value',
      '...',
      '---',
      'd:',
      '  e:',
      '',
      '  f: {}',
      '  g: []',
      '# end',
      '',
    ].join('\n')
    expect(trees(text)).toEqual([
      [
        ['a', null],
        ['b', [null, 'z']],
        ['c', null],
        ['long', 'value'],
      ],
      [
        [
          'd',
          [
            ['e', null],
            ['f', []],
            ['g', []],
          ],
        ],
      ],
    ])
    const [whole] = text.split('...')
    expect(Object.keys(parse(whole ?? '') as object)).toEqual(['a', 'b', 'c', 'long'])
  })

  it.each([
    ['a: *b', /:1: it has an alias/],
    ['a: &b c', /:1: it has an anchor/],
    ['a: !b c', /:1: it has a tag/],
    ['a: 1\na: 2', /:2: 'a' stands there twice/],
    ['a: {b: 1, b: 2}', /:1: 'b' stands there twice/],
    ['a: "b', /:1: a text in quotes does not end/],
    ["a: 'b", /:1: a text in quotes does not end/],
    ['a: "\\y"', /:1: a text has an escape/],
    ['a: {b: c', /:1: the file ends early/],
    ['a: [b}', /:1: a comma or ']' was expected/],
    ['a: b: c', /:1: this is not YAML/],
    ['a:\n\tb: c', /:2: a tab indents it/],
    ['a:\n    b: c\n  d: e', /:3: it is indented by no level/],
    ['  a: b\nc: d', /:2: it is indented by no level/],
    ['a: "b"\n  c: d', /:2: it is indented by no level/],
    ['%YAML 1.2\n---\na: b', /:1: directives are not read/],
    ['--- {a: b}', /:1: a document begins on the line of its marker/],
    ['a: b\n<<<<<<< HEAD\nc: d', /:2: a merge was left unfinished/],
    ['[', /:1: the file ends early/],
    ['[,]', /:1: this is not YAML/],
    ['? a\nb: c', /:1: a key and a colon/],
  ])('refuses %j, naming the line', (text, sentence) => {
    expect(refusalOf(() => trees(text))).toMatch(sentence)
  })

  it.each([
    ['flow lists', '['.repeat(100_000)],
    ['flow tables', `a: ${'{b: '.repeat(100_000)}`],
    ['lists on one line', '- '.repeat(100_000)],
    ['tables', Array.from({ length: LIMITS.npmLockDepthMax + 2 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('')],
  ])('refuses %s that are nested too deeply', (_what, text) => {
    expect(refusalOf(() => trees(text))).toMatch(/it is nested too deeply/)
  })

  it('ends with trees or a refusal, whatever it is given', () => {
    const piece = fc.constantFrom(
      'a',
      ': ',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      ',',
      '"',
      "'",
      '#',
      '\\',
      '? ',
      '|',
      '---\n',
      '\t',
      '\r\n',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        refusalOf(() => trees(pieces.join('')))
      }),
      { numRuns: 2000 },
    )
  })
})
