import { describe, expect, it } from 'vitest'

import { joinScopes } from '../../../protocols/npm/index.ts'

describe('the segments of a URL', () => {
  it.each([
    [['@s', 'p'], ['@s/p']],
    [['@s/p'], ['@s/p']],
    [
      ['@s', 'p', '1.0.0'],
      ['@s/p', '1.0.0'],
    ],
    [
      ['@s', 'p', '-', 'p-1.0.0.tgz'],
      ['@s/p', '-', 'p-1.0.0.tgz'],
    ],
    [
      ['@s/p', '-', 'p-1.0.0.tgz'],
      ['@s/p', '-', 'p-1.0.0.tgz'],
    ],
    [
      ['@s', 'p', '-', '@s', 'p-1.0.0.tgz'],
      ['@s/p', '-', '@s/p-1.0.0.tgz'],
    ],
    [
      ['@s', 'p', '-', '@s/p-1.0.0.tgz'],
      ['@s/p', '-', '@s/p-1.0.0.tgz'],
    ],
    [
      ['-', 'package', '@s', 'p', 'dist-tags'],
      ['-', 'package', '@s/p', 'dist-tags'],
    ],
    [
      ['p', '1.0.0'],
      ['p', '1.0.0'],
    ],
    [['@s'], ['@s']],
    [[''], ['']],
  ])('%j are %j', (segments, joined) => {
    expect(joinScopes(segments)).toEqual(joined)
  })
})
