import fc from 'fast-check'
import { stringify } from 'smol-toml'
import { describe, expect, it } from 'vitest'

import { lockKindOf, readLock } from '../../../../protocols/python/locks/read-lock.ts'
import { DepotError } from '../../../../src/errors.ts'
import { LIMITS } from '../../../../src/limits.ts'

const HEX = 'a'.repeat(64)
const WHEEL = 'my_pkg-1.0-py3-none-any.whl'
const URL_OF_IT = `https://files.example.org/packages/${WHEEL}`
const KINDS = [
  'requirements.txt',
  'pylock.toml',
  'uv.lock',
  'poetry.lock',
  'pdm.lock',
  'Pipfile.lock',
  'pyproject.toml',
]

function refusal(filename: string, text: string): string {
  try {
    readLock(filename, text)
  } catch (error) {
    if (error instanceof DepotError && error.code === 'BAD_REQUEST') return error.message
    throw error
  }
  throw new Error('not refused')
}

describe('the kind of a lock file', () => {
  it.each([
    ['/a/b/uv.lock', 'uv.lock'],
    ['pylock.toml', 'pylock.toml'],
    ['pylock.dev.toml', 'pylock.toml'],
    ['C:\\app\\Pipfile.lock', 'Pipfile.lock'],
    ['pdm.dev.lock', 'pdm.lock'],
    ['requirements-dev.in', 'requirements.txt'],
    ['constraints.txt', 'requirements.txt'],
    ['pylock.a.b.toml', undefined],
    ['yarn.lock', undefined],
    ['uv.lock.bak', undefined],
  ])('%s is %s', (name, kind) => {
    expect(lockKindOf(name)).toBe(kind)
  })
})

describe('uv.lock', () => {
  it('is read without the project, its workspace and what lies beside it', () => {
    const text = `version = 1
revision = 5
[manifest]
members = ["app", "member"]
[[package]]
name = "app"
source = { virtual = "." }
[[package]]
name = "member"
source = { editable = "packages/member" }
[[package]]
name = "near"
version = "1.0"
source = { directory = "../near" }
[[package]]
name = "direct"
version = "2.0"
source = { url = "https://x.test/direct-2.0.tar.gz" }
sdist = { hash = "sha256:${HEX}" }
[[package]]
name = "flat"
version = "1.0"
source = { registry = "wheels" }
wheels = [{ path = "flat-1.0-py3-none-any.whl" }]
[[package]]
name = "empty"
version = "1.0"
source = { registry = "https://pypi.example.org/simple" }
`
    const { files, others, options } = readLock('uv.lock', text)
    expect(files).toEqual([
      {
        project: 'direct',
        version: '2.0',
        filename: 'direct-2.0.tar.gz',
        url: 'https://x.test/direct-2.0.tar.gz',
        hashes: { sha256: HEX },
      },
    ])
    expect(others.map(({ name, breaks }) => [name, breaks])).toEqual([
      ['near', false],
      ['flat', false],
      ['empty', true],
    ])
    expect(options.indexUrl).toBe('https://pypi.example.org/simple')
  })

  it('of another project than its files, or with files of old kinds, tells so', () => {
    const text = (name: string, url: string) =>
      `version = 1\n[[package]]\nname = "${name}"\nversion = "1.0"\nsource = { registry = "https://x.test/" }\nwheels = [{ url = "${url}" }]`
    expect(readLock('uv.lock', text('other', URL_OF_IT))).toMatchObject({
      files: [],
      others: [{ name: 'other', reason: 'its file name is of my-pkg', breaks: true }],
    })
    expect(readLock('uv.lock', text('old', 'https://x.test/old-1.0.egg'))).toMatchObject({
      files: [],
      others: [{ reason: 'it is no wheel and no sdist', breaks: false }],
    })
  })
})

describe('pylock.toml', () => {
  it('gives a file the spelling of its address, which is that of its index, where the name says the same', () => {
    const text = `lock-version = "1.0"
created-by = "uv"
[[packages]]
name = "pysocks"
version = "1.7.1"
wheels = [{ name = "pysocks-1.7.1-py3-none-any.whl", url = "https://x.test/PySocks-1.7.1-py3-none-any.whl", hashes = { sha256 = "${HEX}" } }]
[[packages]]
name = "other"
wheels = [{ name = "other-1.0-py3-none-any.whl", url = "https://x.test/other-2.0-py3-none-any.whl", hashes = { sha256 = "${HEX}" } }]
`
    expect(readLock('pylock.toml', text).files.map(({ filename }) => filename)).toEqual([
      'PySocks-1.7.1-py3-none-any.whl',
      'other-1.0-py3-none-any.whl',
    ])
  })

  it('is read with names that its addresses do not have, archives and repositories', () => {
    const text = `lock-version = "1.1"
created-by = "test"
[[packages]]
name = "my-pkg"
version = "1.0"
wheels = [{ name = "${WHEEL}", url = "https://x.test/download?id=1", size = 7, upload-time = 2026-01-02T03:04:05Z, hashes = { sha256 = "${HEX}", md5 = "${'0'.repeat(32)}" } }]
[[packages]]
name = "archived"
archive = { url = "https://x.test/archived-2.0.zip", hashes = { sha512 = "${'b'.repeat(128)}" } }
[[packages]]
name = "in-git"
vcs = { type = "git", url = "https://git.example.org/x", commit-id = "0" }
[[packages]]
name = "app"
directory = { path = ".", editable = true }
`
    const { files, others } = readLock('pylock.toml', text)
    expect(files).toEqual([
      {
        project: 'my-pkg',
        version: '1.0',
        filename: WHEEL,
        url: 'https://x.test/download?id=1',
        sizeBytes: 7,
        uploadTime: '2026-01-02T03:04:05.000Z',
        hashes: { sha256: HEX, md5: '0'.repeat(32) },
      },
      expect.objectContaining({ filename: 'archived-2.0.zip', version: '2.0', hashes: { sha512: 'b'.repeat(128) } }),
    ])
    expect(others.map(({ name }) => name)).toEqual(['in-git'])
  })
})

describe('poetry.lock', () => {
  it.each([
    ['2.1', (files: string) => [`files = [${files}]`, '']],
    ['1.1', (files: string) => ['', `[metadata.files]\nMy_Pkg = [${files}]`]],
    ['1.0', () => ['', `[metadata.hashes]\nMy_Pkg = ["${HEX}"]`]],
  ])('of lock version %s has its hashes where that version has them', (version, places) => {
    const [own, metadata] = places(`{file = "${WHEEL}", hash = "sha256:${HEX}"}`)
    const text = `[[package]]\nname = "My_Pkg"\nversion = "1.0"\nmarkers = "os_name == 'nt'"\n${own}\n[metadata]\nlock-version = "${version}"\n${metadata}\n`
    const { versions } = readLock('poetry.lock', text)
    expect(versions).toMatchObject([
      { project: 'my-pkg', version: '1.0', hashes: [`sha256:${HEX}`], marker: "os_name == 'nt'" },
    ])
    expect(versions[0]?.filenames?.[0]?.filename).toBe(version === '1.0' ? undefined : WHEEL)
  })

  it('names repositories, folders and addresses', () => {
    const of = (name: string, type: string, url: string) =>
      `[[package]]\nname = "${name}"\nversion = "1.0"\nfiles = []\n[package.source]\ntype = "${type}"\nurl = "${url}"\n`
    const text = `${of('a', 'git', 'https://git.example.org/a')}${of('b', 'directory', '../b')}${of('my-pkg', 'url', URL_OF_IT)}[metadata]\nlock-version = "2.1"\n`
    const { others, files } = readLock('poetry.lock', text)
    expect(others.map(({ name, breaks }) => [name, breaks])).toEqual([
      ['a', true],
      ['b', false],
    ])
    expect(files).toMatchObject([{ project: 'my-pkg', url: URL_OF_IT }])
  })
})

describe('pdm.lock', () => {
  it('of older versions has its files beside the packages, and names a version once', () => {
    const text = `[[package]]
name = "my-pkg"
version = "1.0"
[[package]]
name = "my-pkg"
version = "1.0"
extras = ["fast"]
[[package]]
name = "in-git"
version = "1"
git = "https://git.example.org/x"
[metadata]
lock_version = "4.1"
[metadata.files]
"my-pkg 1.0" = [{file = "${WHEEL}", hash = "sha256:${HEX}"}]
`
    const { versions, others } = readLock('pdm.lock', text)
    expect(versions).toEqual([
      {
        project: 'my-pkg',
        version: '1.0',
        extras: ['fast'],
        hashes: [`sha256:${HEX}`],
        filenames: [{ filename: WHEEL, hash: `sha256:${HEX}` }],
      },
    ])
    expect(others.map(({ name }) => name)).toEqual(['in-git'])
  })

  it('with addresses names files, and local versions are those of the files', () => {
    const of = (files: string) =>
      `[[package]]\nname = "my-pkg"\nversion = "1.0"\nfiles = [${files}]\n[metadata]\nlock_version = "4.5"\n`
    expect(readLock('pdm.lock', of(`{url = "${URL_OF_IT}", hash = "sha256:${HEX}"}`))).toMatchObject({
      files: [{ filename: WHEEL }],
      versions: [],
    })
    const local = of(`{file = "my_pkg-1.0+cpu-py3-none-any.whl", hash = "sha256:${HEX}"}`)
    expect(readLock('pdm.lock', local).versions).toMatchObject([{ version: '1.0+cpu' }])
  })
})

describe('Pipfile.lock', () => {
  it('is read in all of its groups', () => {
    const text = JSON.stringify({
      _meta: { sources: [{ url: 'https://a.test/simple' }, { url: 'https://b.test/simple' }] },
      default: {
        'My.Pkg': { version: '==1.0', hashes: [`sha256:${HEX}`], extras: ['fast'], markers: "os_name == 'nt'" },
      },
      develop: { 'in-git': { git: 'https://git.example.org/x', ref: '0' }, here: { path: '.', editable: true } },
      docs: { 'my-pkg': { file: URL_OF_IT, hashes: [`sha256:${HEX}`] } },
    })
    expect(readLock('Pipfile.lock', text)).toMatchObject({
      versions: [{ project: 'my-pkg', version: '1.0', extras: ['fast'], marker: "os_name == 'nt'" }],
      files: [{ filename: WHEEL }],
      others: [{ name: 'in-git' }, { name: 'here' }],
      options: { indexUrl: 'https://a.test/simple', extraIndexUrls: ['https://b.test/simple'] },
    })
  })
})

describe('pyproject.toml', () => {
  it('asks for what the project, its extras and its groups need', () => {
    const text = `[project]
name = "My.App"
dependencies = ["a>=1", "in-git", "my-app[fast]"]
optional-dependencies.fast = ["b ; os_name == 'nt'"]
[dependency-groups]
dev = ["c", { include-group = "Docs_x" }]
docs-x = ["d", "e @ git+https://git.example.org/e"]
[tool.uv.sources]
In_Git = { git = "https://git.example.org/x" }
`
    const { requirements, others } = readLock('pyproject.toml', text)
    expect(requirements).toEqual(['a>=1', "b ; os_name == 'nt'", 'c', 'd'])
    expect(others.map(({ name }) => name)).toEqual(['in-git', 'e'])
  })

  it('of poetry 1 is refused with what to do', () => {
    expect(refusal('pyproject.toml', '[tool.poetry.dependencies]\npython = "^3.9"')).toContain('name its poetry.lock')
  })
})

describe('a malformed lock file', () => {
  it.each([
    ['uv.lock', 'version = 1\n[[package', /^uv\.lock:2:\d+: Invalid TOML/],
    ['uv.lock', 'version = 2', /^uv\.lock: it is of version 2/],
    ['uv.lock', 'version = 1\n[[package]]\nname = "a"\nsource = 1', /^uv\.lock, package\.0\.source: /],
    [
      'uv.lock',
      'version = 1\n[[package]]\nname = "a/b"\nsource = {registry="x"}\nwheels=[{url="a-1.whl"}]',
      /package\.0\.wheels\.0: 'a\/b' is no name/,
    ],
    [
      'uv.lock',
      'version = 1\n[[package]]\nname = "a"\nversion="x"\nsource = {registry="x"}\nwheels=[{url="a-1-py3-none-any.whl"}]',
      /'x' is no version/,
    ],
    [
      'uv.lock',
      'version = 1\n[[package]]\nname = "a"\nsource = {registry="x"}\nwheels=[{url="a-1-py3-none-any.whl",hash="sha256:../x"}]',
      /is no hash/,
    ],
    ['pylock.toml', 'lock-version = "2.0"\npackages = []', /^pylock\.toml: it is of version 2\.0/],
    ['pylock.toml', 'packages = []', /^pylock\.toml, lock-version: /],
    ['poetry.lock', '[metadata]\nlock-version = "9"', /^poetry\.lock: it is of version 9/],
    ['poetry.lock', '', /^poetry\.lock, metadata: /],
    ['pdm.lock', '[metadata]\nlock_version = "1"', /^pdm\.lock: it is of version 1/],
    ['Pipfile.lock', '{', /^Pipfile\.lock: this is not JSON/],
    ['Pipfile.lock', '{"_meta":{},"default":{"a":{"version":">=1"}}}', /^Pipfile\.lock, default\.a: it is not pinned/],
    ['Pipfile.lock', '{"_meta":{},"__proto__":{"a":1}}', /^Pipfile\.lock: this is not JSON/],
    [
      'pyproject.toml',
      '[project]\ndependencies = ["a b"]',
      /^pyproject\.toml, project\.dependencies\.0: 'a b' is no requirement/,
    ],
    ['pyproject.toml', '[dependency-groups]\na = [{include-group = "b"}]', /dependency-groups\.a: there is no group b/],
    ['pyproject.toml', '[dependency-groups]\na = [{x = "b"}]', /dependency-groups\.a: it holds neither/],
    ['setup.py', '', /^setup\.py: it is none of requirements\.txt/],
    ['uv.lock', `version = ${'['.repeat(100_000)}`, /^uv\.lock/],
  ])('%s: %s', (filename, text, message) => {
    expect(refusal(filename, text)).toMatch(message)
  })

  it('is refused when it is too long', () => {
    expect(refusal('uv.lock', '#'.repeat(LIMITS.lockFileCharsMax + 1))).toContain('longer than')
  })

  it('of any content is read or refused, and nothing else', () => {
    const leaf = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom('1.0', WHEEL, `sha256:${HEX}`, URL_OF_IT),
    )
    const key = fc.constantFrom(
      'version',
      'package',
      'packages',
      'metadata',
      'files',
      'source',
      'wheels',
      'url',
      'name',
      'hash',
      'lock-version',
      'lock_version',
      '_meta',
      'default',
      'project',
      'dependencies',
      'dependency-groups',
      '__proto__',
      'constructor',
    )
    const document = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 3 }), tie('table')),
      table: fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    })).table
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), document, fc.nat(), (filename, table, cut) => {
        const whole = filename.endsWith('Pipfile.lock')
          ? JSON.stringify(table)
          : stringify(table as Record<string, unknown>)
        const text = cut % 3 === 0 ? whole.slice(0, cut % (whole.length + 1)) : whole
        try {
          readLock(filename, text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_REQUEST' })
        }
        expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
      }),
      { numRuns: 500 },
    )
  })
})
