import { describe, expect, it } from 'vitest'

import { parseMaintainers, readPackageDocument } from '../../../protocols/npm/package-document.ts'
import { LIMITS } from '../../../src/limits.ts'

/** Read it in pieces of this size. */
function read(text: string | Uint8Array, sizeBytes = 5): ReturnType<typeof readPackageDocument> {
  const bytes = Buffer.from(text)
  const count = Math.ceil(bytes.length / sizeBytes)
  const pieces = Array.from({ length: count }, (_, at) => bytes.subarray(at * sizeBytes, (at + 1) * sizeBytes))
  return readPackageDocument('@a/b', pieces)
}

const PACKUMENT = {
  _id: '@a/b',
  _rev: '3-abc',
  name: '@a/b',
  'dist-tags': { latest: '1.1.0' },
  versions: {
    '1.0.0': {
      name: '@a/b',
      deprecated: 'broken "here", {there}',
      _rev: 'not this',
      dist: { deprecated: 'nor this', versions: { '9.9.9': { deprecated: 'nor this' } } },
      keywords: ['deprecated', '}', '\\', '\\"'],
    },
    '1.1.0': { deprecated: '', users: { nobody: true } },
    '2.0.0': { deprecated: false },
  },
  maintainers: [{ name: 'alice', email: 'a@example.org' }, 'Bob <bob@example.org>'],
  users: { alice: true, bob: false },
  readme: '{"_rev":"not this either","versions":{}}',
}

describe('a packument that comes back', () => {
  it.each([1, 2, 7, 1000])(
    'says what it changes, in pieces of %i bytes, and nothing else is looked at',
    async (size) => {
      expect(await read(JSON.stringify(PACKUMENT), size)).toEqual({
        revision: '3-abc',
        versions: new Set(['1.0.0', '1.1.0', '2.0.0']),
        deprecated: new Map([
          ['1.0.0', 'broken "here", {there}'],
          ['1.1.0', ''],
        ]),
        tags: { latest: '1.1.0' },
        maintainers: PACKUMENT.maintainers,
        users: new Set(['alice']),
      })
    },
  )

  it('may be of any order, with space and escapes', async () => {
    const text = `\n { "users" : {} , "versions":{"1.0.0" :{"x":[1,{"a":2}],"deprecated"\t: "\\u00e9" }}, "_rev" : "1" }\n`
    expect(await read(text)).toEqual({
      revision: '1',
      versions: new Set(['1.0.0']),
      deprecated: new Map([['1.0.0', 'é']]),
      tags: undefined,
      maintainers: undefined,
      users: new Set(),
    })
  })

  it.each([
    '',
    '[]',
    'null',
    '"text"',
    '42',
    '{',
    '{"versions":{',
    '{}x',
    '{}{}',
    'x{}',
    '{"_rev":1}',
    '{"_rev":}',
    '{"_rev":"1"',
    '{"name":"other"}',
    '{"_id":"other"}',
    '{"dist-tags":{"__proto__":"1.0.0"}}',
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{}}',
    '{"versions":{"__proto__":{"polluted":true}}}',
    '{"versions":{"constructor":{}}}',
    '{"versions":{"1.0.0":{"deprecated":{"__proto__":{}}}}}',
    '{"users":{"\\u005f_proto__":true}}',
    `{"${'k'.repeat(LIMITS.npmKeyBytesMax + 1)}":1}`,
    `{"x":${'['.repeat(1_000_000)}`,
    Buffer.from('{"_rev":"\u00e9"}', 'latin1'),
  ])('%# is refused', async (text) => {
    await expect(read(text, 1000)).rejects.toMatchObject({ name: 'DepotError', status: 400 })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('is refused with more versions than a package can have, and lets others in meanwhile', async () => {
    const versions = Array.from({ length: 100_000 }, (_, patch) => `"1.0.${patch}":{"deprecated":"x"}`)
    await expect(read(`{"versions":{${versions.join(',')}}}`, 65_536)).rejects.toMatchObject({ status: 413 })
  })
})

describe('a text that deprecates', () => {
  it('is given up on before it is as long as a whole document: each of its bytes takes eight while it is read', async () => {
    const text = JSON.stringify({ versions: { '1.0.0': { deprecated: 'x'.repeat(1024 * 1024) } } })
    await expect(read(text, 65_536)).rejects.toMatchObject({ status: 413 })
  })
})

describe('the owners that it names', () => {
  it('have names, and may have addresses', () => {
    const owners = [{ name: 'alice', email: 'a@example.org' }, { name: 'bob' }]
    expect(parseMaintainers(owners)).toEqual(owners)
  })

  it.each([[[]], ['alice'], [['alice']], [[{ email: 'x' }]], [[{ name: '' }]], [[{ name: 'x'.repeat(1000) }]]])(
    'are refused as %j',
    (value) => expect(() => parseMaintainers(value)).toThrow(/maintainers/),
  )
})
