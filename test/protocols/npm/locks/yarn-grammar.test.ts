import { parse, stringify } from '@yarnpkg/lockfile'
import fc from 'fast-check'
import { expect, it } from 'vitest'

import { readYarnEntries } from '../../../../protocols/npm/locks/yarn-grammar.ts'

/** Without keys of prototypes, which yarn's own parser loses, and backslashes, which it takes amiss before a quote. */
const WORD = fc
  .string({ minLength: 1, unit: fc.constantFrom(...'ab@/^~.:, #"<>=|*-1é\t'.split('')) })
  .filter((text) => !/^(?:__proto__|constructor|toString|valueOf|hasOwnProperty)$/.test(text))
const FIELDS = fc.record({
  version: WORD,
  resolved: WORD,
  dependencies: fc.dictionary(WORD, WORD, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
})

it('reads what yarn 1 prints as yarn 1 reads it, each text where it stands', () => {
  fc.assert(
    fc.property(fc.dictionary(WORD, FIELDS, { maxKeys: 4, noNullPrototype: true }), fc.boolean(), (lock, dos) => {
      const printed = stringify(lock)
      const text = dos ? printed.replaceAll('\n', '\r\n') : printed
      const entries = readYarnEntries({ filename: 'yarn.lock', text })
      const read = entries.flatMap(({ patterns, fields }) =>
        patterns.map((pattern) => [pattern, [fields.get('version')?.text, fields.get('resolved')?.text]] as const),
      )
      const theirs = parse(printed).object as Record<string, { version: string; resolved: string }>
      const expected = Object.entries(theirs).map(([pattern, own]) => [pattern, [own.version, own.resolved]] as const)
      expect(new Map(read)).toEqual(new Map(expected))
      for (const { fields } of entries) {
        for (const field of fields.values()) {
          const spelled = text.slice(field.at, field.end)
          expect(field.quoted ? JSON.parse(`"${spelled}"`) : spelled).toBe(field.text)
        }
      }
    }),
  )
})
