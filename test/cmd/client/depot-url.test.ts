import { describe, expect, it } from 'vitest'

import { UsageError } from '../../../cmd/cli.ts'
import { below, depotKey, isInClear, parseDepotUrl } from '../../../cmd/client/depot-url.ts'

describe('parseDepotUrl', () => {
  it.each([
    ['https://depot.example', 'https://depot.example', false],
    ['https://Depot.Example:443/', 'https://depot.example', false],
    ['http://h:8080/team/', 'http://h:8080/team', false],
    ['http://h:8080/nix', 'http://h:8080', true],
    ['http://h/team/npm/', 'http://h/team', true],
    ['http://h/python/simple/', 'http://h', true],
    ['http://h/python/legacy', 'http://h', true],
    ['http://h/mynix', 'http://h/mynix', false],
  ])('%s is the depot %s', (text, key, noted) => {
    const { url, note } = parseDepotUrl(text)
    expect(depotKey(url)).toBe(key)
    expect(note !== undefined).toBe(noted)
    expect(below(url, '/npm/').href).toBe(`${key}/npm/`)
  })

  it.each(['depot.example', 'ftp://h/', '/npm', 'http://h/?a=b', 'http://h/#a', '', 'http://h/\nA=b', 'http://h/\r'])(
    'refuses %j',
    (text) => {
      expect(() => parseDepotUrl(text)).toThrow(UsageError)
    },
  )

  it.each(["http://h/';id;'", 'http://h/$(id)', 'http://h/a&b', 'http://h/a*', 'http://a"b/', 'http://a`b`/'])(
    'refuses %j, which a shell or a file would read in another way',
    (text) => expect(() => parseDepotUrl(text)).toThrow('letters, digits'),
  )

  it.each(['http://[::1]:8080', 'https://h/~me/a%20b', 'https://h/@team/a+b,c=d'])('takes %s', (text) =>
    expect(depotKey(parseDepotUrl(text).url)).toBe(text),
  )

  it('refuses credentials without repeating them', () => {
    for (const text of ['https://me:hunter2@h/', 'https://dpt_hunter2@h/']) {
      expect(() => parseDepotUrl(text)).toThrow(/^(?!.*hunter2).*no credentials in URLs/)
    }
  })
})

describe('isInClear', () => {
  it('is so on plain http beyond this machine', () => {
    const said = ['http://h/', 'https://h/', 'http://127.0.0.1:1/', 'http://[::1]/', 'http://localhost/'].map((text) =>
      isInClear(new URL(text)),
    )
    expect(said).toEqual([true, false, false, false, false])
  })
})
