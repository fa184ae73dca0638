import { gunzipSync, zstdDecompressSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { chooseCoding, encodeText, remembered, weightsOf } from '../../../src/http/negotiate.ts'
import { LIMITS } from '../../../src/limits.ts'

describe('the weights of a list header', () => {
  it.each([
    ['', []],
    ['a', [['a', 1]]],
    [
      ' A ; q=0.5 ,b;Q=1.000',
      [
        ['a', 0.5],
        ['b', 1],
      ],
    ],
    ['text/html;level=1;q=0.25', [['text/html', 0.25]]],
    [
      'a;q=high, b;q=2, c;q=, d;q=0.1234',
      [
        ['a', 0],
        ['b', 0],
        ['c', 0],
        ['d', 0],
      ],
    ],
    [';;,,;q=', []],
  ])('of %j are %j', (header, weights) => {
    expect([...weightsOf(header)]).toEqual(weights)
  })
})

describe('the coding that an Accept-Encoding header asks for', () => {
  it.each([
    [undefined, ''],
    ['', ''],
    ['identity', ''],
    ['br', ''],
    ['*', ''],
    ['gzip, deflate', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip;q=0', ''],
    ['GZIP;q=0.001', 'gzip'],
    ['gzip,deflate,br,zstd', 'zstd'],
    ['zstd;q=0.5, gzip', 'gzip'],
    ['zstd;q=0, gzip;q=0.5', 'gzip'],
    ['zstd;q=0, gzip;q=0', ''],
  ])('for %j is %j', (header, coding) => {
    expect(chooseCoding(header)).toBe(coding)
  })

  it('turns text into what decoders give back', async () => {
    const text = 'ä text '.repeat(1000)
    expect(await encodeText(text, '')).toBe(text)
    expect(gunzipSync(await encodeText(text, 'gzip')).toString()).toBe(text)
    expect(zstdDecompressSync(await encodeText(text, 'zstd')).toString()).toBe(text)
  })
})

describe('a remembered answer', () => {
  it('is given again for the same header, and memory ends where the limit says', () => {
    const asked: (string | undefined)[] = []
    const answer = remembered((header) => {
      asked.push(header)
      return false
    })
    for (let round = 0; round < 2; round++)
      for (let index = 0; index < LIMITS.headersRemembered + 1; index++) expect(answer(`header ${index}`)).toBe(false)
    expect(asked).toHaveLength(LIMITS.headersRemembered + 2)
  })
})
