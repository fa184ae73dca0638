import { describe, expect, it } from 'vitest'

import { rewriteLock } from '../../../../protocols/npm/locks/rewrite-lock.ts'
import { isTarballAddress, tarballAddress } from '../../../../protocols/npm/locks/tarball-address.ts'

const DEPOT = 'https://depot.example/npm'
const NPMJS = 'https://registry.npmjs.org'

describe('isTarballAddress', () => {
  const lib = { name: 'lib', version: '1.0.0' }
  const scoped = { name: '@s/lib', version: '1.0.0-rc.1' }
  it.each([
    [lib, 'https://registry.npmjs.org/lib/-/lib-1.0.0.tgz'],
    [lib, 'http://user:pw@host:81/a/b/lib/-/lib-1.0.0.tgz'],
    [lib, 'https://forge.example/api/packages/me/npm/lib/-/1.0.0/lib-1.0.0.tgz'],
    [scoped, 'https://r.example/@s/lib/-/lib-1.0.0-rc.1.tgz'],
    [scoped, 'https://r.example/@s%2flib/-/lib-1.0.0-rc.1.tgz'],
    [scoped, 'https://r.example/@s/lib/-/@s/lib-1.0.0-rc.1.tgz'],
    [scoped, `https://npm.example/download/@s/lib/1.0.0-rc.1/${'0a'.repeat(20)}`],
  ])('takes for the tarball of %o: %s', (named, address) => {
    expect(isTarballAddress(address, named)).toBe(true)
  })

  it.each([
    [lib, 'https://r.example/@s/lib/-/lib-1.0.0.tgz'],
    [lib, 'https://r.example/@s%2flib/-/lib-1.0.0.tgz'],
    [lib, 'https://r.example/other/-/lib-1.0.0.tgz'],
    [lib, 'https://r.example/lib/-/lib-1.0.1.tgz'],
    [lib, 'https://r.example/lib/-/lib-1.0.0.tar.gz'],
    [lib, 'https://r.example/lib/-/lib-1.0.0.tgz?token=x'],
    [lib, 'https://r.example/lib/-/more/lib-1.0.0.tgz'],
    [lib, 'https://r.example/notlib/-/lib-1.0.0.tgz'],
    [lib, 'https://r.example/lib/lib-1.0.0.tgz'],
    [lib, 'https://r.example/%/lib/-/lib-1.0.0.tgz'],
    [lib, 'ftp://r.example/lib/-/lib-1.0.0.tgz'],
    [lib, 'git+https://r.example/lib/-/lib-1.0.0.tgz'],
    [lib, 'https://codeload.github.com/lib/lib/tar.gz/0a1b'],
    [scoped, 'https://r.example/lib/-/lib-1.0.0-rc.1.tgz'],
  ])('does not for that of %o: %s', (named, address) => {
    expect(isTarballAddress(address, named)).toBe(false)
  })

  it('is true of what this depot and npmjs call it', () => {
    for (const named of [lib, scoped, { name: "it's", version: '1.0.0' }]) {
      for (const registry of [DEPOT, NPMJS]) expect(isTarballAddress(tarballAddress(registry, named), named)).toBe(true)
    }
  })
})

/** Lock files of a package `lib` at some address, with what is easily lost on the way. */
const LOCKS: readonly (readonly [string, string, (address: string) => string])[] = [
  [
    'v3',
    'package-lock.json',
    (address) =>
      `\uFEFF{"lockfileVersion": 3,\r\n\t"packages": {"node_modules/lib" : {"version":"1.0.0", "resolved" :"${address}" , "integrity":"sha1-x"} } }`,
  ],
  [
    'v2',
    'package-lock.json',
    (address) =>
      `{"lockfileVersion":2,"packages":{"node_modules/lib":{"version":"1.0.0","resolved":"${address}"}},"dependencies":{"lib":{"version":"1.0.0","resolved":"${address}"}}}`,
  ],
  [
    'v1',
    'npm-shrinkwrap.json',
    (address) => `{"lockfileVersion":1,"dependencies":{"a":{"version":"npm:lib@1.0.0","resolved":"${address}"}}}\n`,
  ],
  [
    'flow',
    'pnpm-lock.yaml',
    (address) =>
      `lockfileVersion: '9.0'\n\npackages:\n  lib@1.0.0: # why\n    resolution: {integrity: sha1-x, tarball: ${address}}\n    deprecated: 'é' \n`,
  ],
  [
    'block',
    'pnpm-lock.yaml',
    (address) => `lockfileVersion: 5.4\npackages:\n  /lib/1.0.0:\n    resolution:\n      tarball: "${address}"\n`,
  ],
  [
    'v1',
    'yarn.lock',
    (address) =>
      `# yarn lockfile v1\r\n\r\n"lib@^1", lib@1:\r\n  version "1.0.0"\r\n  resolved "${address}#6205717a6557e5fb0085170b6d2e763f6a2bcea6"\r\n`,
  ],
  [
    'berry',
    'yarn.lock',
    (address) =>
      `__metadata:\n  version: 8\n\n"lib@npm:1":\n  version: 1.0.0\n  resolution: "lib@npm:1.0.0::__archiveUrl=${encodeURIComponent(address)}&x=y"\n`,
  ],
  [
    'text',
    'bun.lock',
    (address) =>
      `{\n  "lockfileVersion": 1, // why\n  "packages": {\n    "lib": ["lib@1.0.0", "${address}", {}, "sha1-x"],\n    "b/lib": ["lib@1.0.0", "${address}", { "bundled": true }, "sha1-x"],\n  }\n}\n`,
  ],
]

describe.each(LOCKS)('rewriteLock of a %s %s', (_label, filename, lock) => {
  it.each(['https://registry.yarnpkg.com/lib/-/lib-1.0.0.tgz', 'http://u:p@10.0.0.1:4873/x/lib/-/lib-1.0.0.tgz'])(
    'changes the address %s and nothing else, once, and back',
    (address) => {
      const there = rewriteLock(filename, lock(address), DEPOT)
      expect(there.text).toBe(lock(`${DEPOT}/lib/-/lib-1.0.0.tgz`))
      expect(there.left).toEqual([])
      expect(rewriteLock(filename, there.text, DEPOT)).toEqual({ text: there.text, changed: 0, left: [] })
      const back = rewriteLock(filename, there.text, NPMJS)
      expect(back).toEqual({ text: lock(`${NPMJS}/lib/-/lib-1.0.0.tgz`), changed: there.changed, left: [] })
    },
  )

  it.each([
    'https://cdn.example/lib.tgz',
    'https://r.example/other/-/other-1.0.0.tgz',
    'https://r.example/lib/-/lib-2.0.0.tgz',
  ])('leaves %s, and names it', (address) => {
    const { text, changed, left } = rewriteLock(filename, lock(address), DEPOT)
    expect([text, changed]).toEqual([lock(address), 0])
    const reason = 'it does not look like the tarball of lib@1.0.0 in a registry'
    expect(left).toEqual([{ item: 'lib@1.0.0', url: address, reason }])
  })
})

describe('rewriteLock', () => {
  it('puts an address in quotes that YAML would read as something else', () => {
    const [, filename = '', lock] = LOCKS[3] ?? []
    const { text } = rewriteLock(
      filename,
      lock?.('https://r.example/lib/-/lib-1.0.0.tgz') ?? '',
      'http://[::1]:8080/npm',
    )
    expect(text).toContain("tarball: 'http://[::1]:8080/npm/lib/-/lib-1.0.0.tgz'}")
    expect(rewriteLock(filename, text, 'http://[::1]:8080/npm').changed).toBe(0)
  })

  it('leaves what comes from no registry, and names it', () => {
    const text =
      'a@git+https://git.example/a.git:\n  version "1.0.0"\n  resolved "git+https://git.example/a.git#0a1b"\n'
    const quoted = text.replace('a@git+https://git.example/a.git', '"a@git+https://git.example/a.git"')
    expect(rewriteLock('yarn.lock', quoted, DEPOT)).toEqual({
      text: quoted,
      changed: 0,
      left: [
        {
          item: 'a@git+https://git.example/a.git',
          url: 'git+https://git.example/a.git#0a1b',
          reason: 'a git repository',
        },
      ],
    })
  })

  it('reads an address that is spelled with escapes', () => {
    const text =
      '{"lockfileVersion":3,"packages":{"node_modules/lib":{"version":"1.0.0","resolved":"https:\\/\\/r.example\\/lib\\/-\\/lib-1.0.0.tgz"}}}'
    expect(rewriteLock('package-lock.json', text, DEPOT).text).toContain(`"resolved":"${DEPOT}/lib/-/lib-1.0.0.tgz"`)
  })
})
