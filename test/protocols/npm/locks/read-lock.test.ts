import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readLock } from '../../../../protocols/npm/locks/read-lock.ts'
import { LIMITS } from '../../../../src/limits.ts'
import { refusalOf } from '../../../helpers/refusal.ts'

const SHA1 = '6205717a6557e5fb0085170b6d2e763f6a2bcea6'
const SRI = `sha512-${'A'.repeat(86)}==`
const OTHER = `sha512-${'B'.repeat(86)}==`

function packageLock(lock: object): string {
  return JSON.stringify({ name: 'app', ...lock }, null, 2)
}

/** Each package as one line; of the rest what it is called, what it is and whether it matters. */
function listed(filename: string, text: string): string[] {
  const { packages, others } = readLock(filename, text)
  return [
    ...packages.map(({ name, version, integrity = '-', resolved = '-', os, cpu, libc, optional }) =>
      [
        `${name}@${version}`,
        integrity.slice(0, 8),
        resolved,
        ...[os, cpu, libc].flatMap((words) => words ?? []),
        ...(optional ? ['optional'] : []),
      ].join(' '),
    ),
    ...others.map(({ item, reason, url = '-', breaks }) => `${breaks ? 'breaks' : 'other'} ${item}: ${reason} ${url}`),
  ]
}

describe('package-lock.json', () => {
  it('v1: reads the tree, aliases, what is nested, and leaves out what is bundled', () => {
    const dependencies = {
      plain: {
        version: '1.0.0',
        resolved: 'https://r.example/plain/-/plain-1.0.0.tgz',
        integrity: SRI,
        requires: { x: '^1' },
      },
      renamed: { version: 'npm:@scope/real@2.0.0', resolved: false, integrity: SRI },
      nesting: {
        version: '1.0.0',
        dependencies: { plain: { version: '0.9.0', optional: true }, inside: { version: '1.0.0', bundled: true } },
      },
      fromGit: { version: 'git+ssh://git@git.example/a/b.git#0a1b', from: 'git+ssh://git@git.example/a/b.git' },
      short: { version: 'github:a/b#0a1b' },
      remote: { version: 'https://files.example/remote.tgz', integrity: SRI },
      local: { version: 'file:../local' },
    }
    expect(listed('npm-shrinkwrap.json', packageLock({ dependencies }))).toEqual([
      'plain@1.0.0 sha512-A https://r.example/plain/-/plain-1.0.0.tgz',
      '@scope/real@2.0.0 sha512-A -',
      'nesting@1.0.0 - -',
      'plain@0.9.0 - - optional',
      'breaks fromGit@git+ssh://git@git.example/a/b.git#0a1b: a git repository git+ssh://git@git.example/a/b.git#0a1b',
      'breaks short@github:a/b#0a1b: a git repository github:a/b#0a1b',
      'breaks remote@https://files.example/remote.tgz: a tarball that is no package of a registry https://files.example/remote.tgz',
      'other local@file:../local: a file of the project, which comes along with it -',
    ])
  })

  it('v2: reads the table and not the tree beside it', () => {
    const lock = {
      lockfileVersion: 2,
      packages: { 'node_modules/a': { version: '1.0.0' } },
      dependencies: { b: { version: '1.0.0' } },
    }
    expect(listed('dir/package-lock.json', packageLock(lock))).toEqual(['a@1.0.0 - -'])
  })

  it('v3: tells a tarball of a registry from an address that somebody depends on', () => {
    const resolved = 'https://r.example/a/-/a-1.0.0.tgz'
    const table = (dependencies: object): string =>
      packageLock({
        lockfileVersion: 3,
        packages: { '': { dependencies }, 'node_modules/a': { version: '1.0.0', resolved } },
      })
    expect(listed('package-lock.json', table({ a: '^1.0.0' }))).toEqual([`a@1.0.0 - ${resolved}`])
    expect(listed('package-lock.json', table({ a: resolved }))).toEqual([
      `breaks a@1.0.0: a tarball that is no package of a registry ${resolved}`,
    ])
  })

  it('lists a package once, optional when it is so everywhere, and again where its digest is another', () => {
    const packages = {
      'node_modules/a': { version: '1.0.0', integrity: SRI, optional: true },
      'node_modules/b/node_modules/a': { version: '1.0.0' },
      'node_modules/c/node_modules/a': { version: '1.0.0', integrity: OTHER },
      'node_modules/d': { version: '1.0.0', optional: true },
      'node_modules/e/node_modules/d': { version: '1.0.0', optional: true },
      'node_modules/gone': { optional: true },
      'packages/one': { version: '1.0.0' },
      'node_modules/one': { resolved: 'packages/one', link: true },
    }
    expect(listed('package-lock.json', packageLock({ lockfileVersion: 3, packages }))).toEqual([
      'a@1.0.0 sha512-A -',
      'a@1.0.0 sha512-B -',
      'd@1.0.0 - - optional',
      'other gone: the lock file does not say which version -',
    ])
  })

  it('names what no registry can have, and takes no harm from keys of prototypes', () => {
    const entries = ['__proto__', 'constructor', '../../etc', '@a/../b', 'UPPER'].map(
      (name) => `"node_modules/${name}":{"version":"1.0.0"}`,
    )
    const text = `{"lockfileVersion":3,"packages":{${entries.join()},"node_modules/v":{"version":"../1"},"__proto__":{"optional":true}}}`
    expect(listed('package-lock.json', text)).toEqual([
      'constructor@1.0.0 - -',
      'UPPER@1.0.0 - -',
      'breaks __proto__@1.0.0: no registry has such a name -',
      'breaks ../../etc@1.0.0: no registry has such a name -',
      'breaks @a/../b@1.0.0: no registry has such a name -',
      'breaks v@../1: no registry has such a version -',
    ])
  })
})

describe('pnpm-lock.yaml', () => {
  const v5 = `lockfileVersion: 5.4
packages:
  /@scope/a/1.0.0_react@17.0.2:
    resolution: {integrity: ${SRI}}
    deprecated: |-
      not: [this
    dev: true
  /b/2.0.0-rc.1:
    resolution: {integrity: ${SRI}, tarball: 'https://r.example/b/-/b-2.0.0-rc.1.tgz'}
    optional: true
    cpu: [x64, arm64]
    os: ['!win32']
  r.example/c/1.0.0:
    resolution: {integrity: ${SRI}}
  github.com/o/p/0a1b2c:
    resolution: {tarball: https://codeload.github.com/o/p/tar.gz/0a1b2c}
    name: p
    version: 1.0.0
  file:local:
    resolution: {directory: local, type: directory}
`
  it('v5: reads names and versions of keys, with their peers and the host of another registry', () => {
    expect(listed('pnpm-lock.yaml', v5)).toEqual([
      '@scope/a@1.0.0 sha512-A -',
      'b@2.0.0-rc.1 sha512-A https://r.example/b/-/b-2.0.0-rc.1.tgz !win32 x64 arm64 optional',
      'c@1.0.0 sha512-A -',
      'breaks github.com/o/p/0a1b2c: a tarball that is no package of a registry https://codeload.github.com/o/p/tar.gz/0a1b2c',
      'other file:local: a file of the project, which comes along with it -',
    ])
  })

  it('v6: the same with an at sign before the version', () => {
    const v6 = v5
      .replace('5.4', "'6.0'")
      .replace('/@scope/a/1.0.0_react@17.0.2:', '/@scope/a@1.0.0(react@17.0.2)(@b/c@1.0.0):')
      .replace('/b/2', '/b@2')
      .replace('c/1', 'c@1')
      .replace('github.com/o/p/0a1b2c:', "'@codeload.github.com/o/p/tar.gz/0a1b2c':")
    expect(
      listed('pnpm-lock.yaml', v6).map((line) => line.replace('@codeload.github.com/o/p/tar.gz/0a1b2c:', ':')),
    ).toEqual(listed('pnpm-lock.yaml', v5).map((line) => line.replace('github.com/o/p/0a1b2c:', ':')))
  })

  it('v9: reads every document, and calls optional what is so with all its peers', () => {
    const text = `---
lockfileVersion: '9.0'
importers: {.: {packageManagerDependencies: {pnpm: {specifier: 11.0.0, version: 11.0.0}}}}
packages:
  pnpm@11.0.0: {resolution: {integrity: ${SRI}}}
snapshots: {pnpm@11.0.0: {}}
---
lockfileVersion: '9.0'
packages:
  '@s/a@1.0.0':
    resolution: {integrity: ${SRI}}
  b@1.0.0:
    resolution: {integrity: ${SRI}}
  node@runtime:22.0.0:
    resolution: {type: variations, variants: [{resolution: {type: binary}}]}
snapshots:
  '@s/a@1.0.0(b@1.0.0)': {optional: true}
  '@s/a@1.0.0(b@2.0.0)': {optional: true}
  b@1.0.0: {optional: true}
  b@1.0.0(c@1.0.0): {}
`
    expect(listed('a/pnpm-lock.feature.yaml', text)).toEqual([
      'pnpm@11.0.0 sha512-A -',
      '@s/a@1.0.0 sha512-A - optional',
      'b@1.0.0 sha512-A -',
      "breaks node@runtime:22.0.0: a 'variations', which no registry has -",
    ])
  })
})

describe('yarn.lock', () => {
  it('v1: reads patterns, aliases, and the sha1 of old locks', () => {
    const text = `# yarn lockfile v1\r
\r
a@^1.0.0, "a@>=1 <2", a@latest:\r
  version "1.0.0"\r
  resolved "https://r.example/a/-/a-1.0.0.tgz#${SHA1}"\r
  dependencies:\r
    b "^1"\r
"renamed@npm:@s/real@^2":\r
  version "2.0.0"\r
  resolved "https://r.example/@s/real/-/real-2.0.0.tgz#${SHA1}"\r
  integrity ${SRI}\r
"b@o/p", c@git@host.example:x/y:\r
  version "1.0.0"\r
  resolved "https://codeload.github.com/o/p/tar.gz/0a1b"\r
__proto__@1:\r
  version "1.0.0"\r
`
    expect(listed('yarn.lock', text)).toEqual([
      'a@1.0.0 sha1-YgV https://r.example/a/-/a-1.0.0.tgz',
      '@s/real@2.0.0 sha512-A https://r.example/@s/real/-/real-2.0.0.tgz',
      'breaks b@o/p: a tarball that is no package of a registry https://codeload.github.com/o/p/tar.gz/0a1b',
      'breaks __proto__@1.0.0: no registry has such a name -',
    ])
  })

  it('berry: reads resolutions, conditions and addresses, and leaves out workspaces and patches', () => {
    const text = `__metadata:
  version: 8
"a@npm:^1, a@npm:~1":
  version: 1.0.0
  resolution: "a@npm:1.0.0::__archiveUrl=https%3A%2F%2Fr.example%2Fx%2Fa-1.0.0.tgz"
  checksum: 10c0/ab
"a@patch:a@npm%3A1.0.0#./p.patch":
  version: 1.0.0
  resolution: "a@patch:a@npm%3A1.0.0#./p.patch::version=1.0.0&hash=abc"
"@s/b@npm:1":
  version: 1.0.0
  resolution: "@s/b@npm:1.0.0"
  conditions: (os=darwin | os=linux) & cpu=x64 & libc=glibc
"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
"c@https://git.example/c.git":
  version: 1.0.0
  resolution: "c@https://git.example/c.git#commit=0a1b"
"d@file:./d.tgz":
  version: 1.0.0
  resolution: "d@file:./d.tgz#./d.tgz::hash=ab&locator=app%40workspace%3A."
`
    expect(listed('yarn.lock', text)).toEqual([
      'a@1.0.0 - https://r.example/x/a-1.0.0.tgz',
      '@s/b@1.0.0 - - darwin linux x64 glibc',
      'breaks c@https://git.example/c.git#commit=0a1b: a git repository https://git.example/c.git#commit=0a1b',
      expect.stringMatching(/^other d@file:/),
    ])
  })
})

describe('malformed lock files', () => {
  it.each([
    ['package.json', '{}', /^package\.json: no lock file by its name; known are/],
    [
      'bun.lockb',
      '#!/usr/bin/env bun',
      /^bun\.lockb: bun's binary lock file is not read; bun install --save-text-lockfile/,
    ],
    ['package-lock.json', '', /^package-lock\.json:1: the file ends early; let the client/],
    ['package-lock.json', '{"packages":{},}', /:1: this is not JSON/],
    ['package-lock.json', '{\n"packages": {\n<<<<<<< HEAD\n', /:3: a merge was left unfinished/],
    ['package-lock.json', '{"a":"\\x"}', /:1: a text has an escape/],
    ['package-lock.json', '{"a":"', /:1: a text does not end/],
    ['package-lock.json', '[]', /:1: a package-lock is not a table/],
    ['package-lock.json', '{}', /:1: it has neither 'packages' nor 'dependencies'/],
    ['package-lock.json', '{"lockfileVersion":4,"packages":{}}', /:1: this version of package-lock is not known/],
    ['package-lock.json', '{"lockfileVersion":3,"packages":[]}', /:1: 'packages' is not a table/],
    [
      'package-lock.json',
      '{"lockfileVersion":3,\n"packages":{"node_modules/a":\n1}}',
      /:3: 'node_modules\/a' is not a table/,
    ],
    [
      'package-lock.json',
      '{"lockfileVersion":3,"packages":{"node_modules/a":{"version":1}}}',
      /:1: 'version' is not a text/,
    ],
    [
      'package-lock.json',
      '{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0","os":[1]}}}',
      /:1: 'os' is not a list of words/,
    ],
    ['package-lock.json', `${'{"dependencies":{"a":'.repeat(100_000)}`, /:1: it is nested too deeply/],
    ['pnpm-lock.yaml', 'packages: {}', /:1: this version of pnpm-lock is not known/],
    ['pnpm-lock.yaml', "lockfileVersion: '7.0'", /:1: this version of pnpm-lock is not known/],
    ['pnpm-lock.yaml', "lockfileVersion: '9.0'\npackages:\n  a@1.0.0: {}", /:3: 'a@1\.0\.0' has no 'resolution'/],
    ['pnpm-lock.yaml', "lockfileVersion: '9.0'\nx: &x [1, 2]\ny: [*x, *x]", /:2: it has an anchor/],
    ['pnpm-lock.yaml', "lockfileVersion: '9.0'\npackages: [a]", /:2: 'packages' is not a table/],
    ['yarn.lock', 'a@1:\n  resolved "x"\n', /:1: 'a@1' has no 'version'/],
    ['yarn.lock', '# yarn lockfile v2\n', /:1: this version of yarn\.lock is not known/],
    ['yarn.lock', 'a@1:\n    version "1.0.0"\n', /:2: it stands deeper than it may/],
    ['yarn.lock', 'a@1:\n   version "1.0.0"\n', /:2: it is indented by no level/],
    ['yarn.lock', 'a@1\n', /:1: a package was expected/],
    ['yarn.lock', 'a@1:\n  version "1.0.0\n', /:2: this is not of a yarn\.lock/],
    ['yarn.lock', 'a@1:\n<<<<<<< HEAD\n', /:2: a merge was left unfinished/],
    ['yarn.lock', '__metadata:\n  version: 8\na@npm:1:\n  version: 1', /:4: 'a@npm:1' has no 'resolution'/],
    ['yarn.lock', '__metadata:\n  version: 8\n---\na: b', /a yarn\.lock is one document/],
    ['bun.lock', '{"packages":{}}', /:1: it has no 'lockfileVersion'/],
    ['bun.lock', '{"lockfileVersion":1,"packages":{"a":{}}}', /:1: 'a' is not a list that begins with name@version/],
    ['bun.lock', '{"lockfileVersion":1,/* ', /:1: a comment does not end/],
  ])('%s: refuses %.60j, saying where and what', (filename, text, sentence) => {
    expect(refusalOf(() => readLock(filename, text))).toMatch(sentence)
  })

  it('refuses one of more characters than it may have', () => {
    expect(() => readLock('yarn.lock', '#'.repeat(LIMITS.npmLockLengthMax + 1))).toThrow(/is not read/)
  })

  const REAL: Readonly<Record<string, string>> = {
    'package-lock.json': packageLock({
      lockfileVersion: 2,
      packages: { 'node_modules/a': { version: '1.0.0', resolved: 'https://r/a/-/a-1.0.0.tgz', os: ['linux'] } },
      dependencies: { a: { version: '1.0.0' } },
    }),
    'pnpm-lock.yaml': `lockfileVersion: '9.0'\npackages:\n  '@s/a@1.0.0':\n    resolution: {integrity: ${SRI}}\n    os: [linux]\nsnapshots:\n  '@s/a@1.0.0': {}\n`,
    'yarn.lock': `# yarn lockfile v1\n"@s/a@^1", a@1:\n  version "1.0.0"\n  resolved "https://r/a#${SHA1}"\n`,
    'bun.lock': `{"lockfileVersion": 1, "packages": {\n"a": ["a@1.0.0", "", {"os": "linux",}, "${SRI}"],\n}}`,
  }
  it.each(Object.keys(REAL))('%s: however it is cut and mixed up, it is read or refused', (filename) => {
    const text = REAL[filename] ?? ''
    const at = fc.nat({ max: text.length })
    const noise = fc.constantFrom(
      '',
      '"',
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '\n',
      '  ',
      '1',
      'null',
      '__proto__',
      '\0',
      '\u{10FFFF}',
    )
    fc.assert(
      fc.property(at, at, noise, (from, to, put) => {
        refusalOf(() => readLock(filename, text.slice(0, from) + put + text.slice(Math.max(from, to))))
      }),
      { numRuns: 2000 },
    )
    expect(readLock(filename, text).packages).toHaveLength(1)
  })
})
