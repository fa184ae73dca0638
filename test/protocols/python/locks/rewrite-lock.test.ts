import fc from 'fast-check'
import { parse, stringify } from 'smol-toml'
import { describe, expect, it } from 'vitest'

import { rewriteLock } from '../../../../protocols/python/locks/rewrite-lock.ts'
import { addressPlaces, stringPlaces } from '../../../../protocols/python/locks/string-places.ts'

const DEPOT = 'http://depot.test:8080/python'
const HEX = 'a'.repeat(64)
const OLD = 'https://files.example.org/packages/aa/bb'

const UV = `version = 1
# "https://pypi.example.org/simple" stays here
[[package]]
name = "my-pkg"
version = "1.0+local.1"
source = { registry = "https://pypi.example.org/simple" }
sdist = { url = "${OLD}/my_pkg-1.0%2Blocal.1.tar.gz", hash = "sha256:${HEX}", size = 10 }
wheels = [
    { url = '${OLD}/my_pkg-1.0%2Blocal.1-py3-none-any.whl', hash = "sha256:${HEX}" },
]

[[package]]
name = "forked"
version = "1.0"
source = { git = "https://user:secret@git.example.org/forked?rev=1#0123" }
`

describe('rewriting a lock file', () => {
  it('changes addresses of files and indexes of uv.lock, and not a byte beside them', () => {
    const { text, changed, left } = rewriteLock('uv.lock', UV, DEPOT)
    expect(changed).toBe(3)
    expect(text).toBe(
      UV.replace('registry = "https://pypi.example.org/simple"', `registry = "${DEPOT}/simple/"`)
        .replace(`"${OLD}/my_pkg-1.0%2Blocal.1.tar.gz"`, `"${DEPOT}/files/my-pkg/my_pkg-1.0%2Blocal.1.tar.gz"`)
        .replace(`'${OLD}/my_pkg-`, `'${DEPOT}/files/my-pkg/my_pkg-`),
    )
    expect(left).toEqual([
      {
        item: 'forked',
        url: 'https://git.example.org/forked?rev=1#0123',
        reason: expect.stringContaining('repository') as unknown,
      },
    ])
  })

  it('changes nothing when it is done again, and goes from one depot to another', () => {
    const once = rewriteLock('uv.lock', UV, DEPOT).text
    expect(rewriteLock('uv.lock', once, DEPOT)).toMatchObject({ text: once, changed: 0 })
    const other = 'https://other.test/below/python'
    expect(rewriteLock('uv.lock', once, other).text).toBe(rewriteLock('uv.lock', UV, other).text)
  })

  it('changes Windows line ends as little as anything else', () => {
    const windows = UV.replaceAll('\n', '\r\n')
    expect(rewriteLock('uv.lock', windows, DEPOT).text).toBe(
      rewriteLock('uv.lock', UV, DEPOT).text.replaceAll('\n', '\r\n'),
    )
  })

  it('changes requirements with addresses, their fragments kept, and the index', () => {
    const wheel = 'my_pkg-1.0-py3-none-any.whl'
    const before = [
      '-r more.txt',
      '--index-url https://user:secret@pypi.example.org/simple # https://pypi.example.org/simple',
      '--extra-index-url=https://extra.example.org/simple/',
      '--find-links https://links.example.org/',
      `my-pkg @ ${OLD}/${wheel}#sha256=${HEX} ; python_version > "3.8"`,
      `${OLD}/other-1.0.tar.gz --hash=sha256:${HEX}`,
      `# ${OLD}/other-1.0.tar.gz`,
      'git-pkg @ git+https://git.example.org/x.git',
      'plain==1.0',
      '',
    ].join('\n')
    const { text, changed } = rewriteLock('requirements.txt', before, DEPOT)
    expect(changed).toBe(4)
    expect(text.split('\n')).toEqual([
      '-r more.txt',
      `--index-url ${DEPOT}/simple/ # https://pypi.example.org/simple`,
      `--extra-index-url=${DEPOT}/simple/`,
      '--find-links https://links.example.org/',
      `my-pkg @ ${DEPOT}/files/my-pkg/${wheel}#sha256=${HEX} ; python_version > "3.8"`,
      `${DEPOT}/files/other/other-1.0.tar.gz --hash=sha256:${HEX}`,
      `# ${OLD}/other-1.0.tar.gz`,
      'git-pkg @ git+https://git.example.org/x.git',
      'plain==1.0',
      '',
    ])
  })

  it('changes the sources of Pipfile.lock and of poetry.lock as those clients write them', () => {
    const pipfile = JSON.stringify(
      { _meta: { sources: [{ url: 'https://pypi.example.org/simple', name: 'x' }] } },
      null,
      4,
    )
    expect(rewriteLock('Pipfile.lock', pipfile, DEPOT).text).toContain(`"url": "${DEPOT}/simple/"`)
    const poetry = `[[package]]\nname = "a"\nversion = "1"\n[package.source]\ntype = "legacy"\nurl = "https://pypi.example.org/simple"\nreference = "x"\n[metadata]\nlock-version = "2.1"\n`
    expect(rewriteLock('poetry.lock', poetry, DEPOT).text).toContain(`url = "${DEPOT}/simple"\n`)
  })

  it('refuses what is no lock file', () => {
    expect(() => rewriteLock('pyproject.toml', '', DEPOT)).toThrow('it is no lock file')
    expect(() => rewriteLock('setup.cfg', '', DEPOT)).toThrow('it is none of')
    expect(() => rewriteLock('uv.lock', 'version = 1\n[[', DEPOT)).toThrow(/^uv\.lock:2:\d+: /)
  })
})

describe('the strings of a text', () => {
  it('are found with what stands around them, comments and long strings left out', () => {
    const text = [
      `a = "one" # "no"`,
      `b = ['two', "th\\"ree", "four"]`,
      `c = """no " "no" \\""" no""""`,
      `d = '''no 'no' no'''`,
      `"five" = 'six # seven' # eight`,
      `e = "" # '`,
      `f = 'nine'`,
    ].join('\n')
    expect(() => parse(text)).not.toThrow()
    expect([...stringPlaces(text, 'toml')].map(({ value }) => value)).toEqual([
      'one',
      'two',
      'four',
      'five',
      'six # seven',
      '',
      'nine',
    ])
    expect([...stringPlaces(String.raw`{"a": "b\"", "c'": "d"}`, 'json')].map(({ value }) => value)).toEqual([
      'a',
      "c'",
      'd',
    ])
  })

  it('are all found, whatever else a document holds', () => {
    const value = fc.oneof(fc.string(), fc.constant('https://x.test/'), fc.integer(), fc.array(fc.string()))
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z"'#\\]{1,8}$/), value), (table) => {
        const text = `${stringify(table)}\nlast = "here"\n`
        if (Object.hasOwn(table, 'last')) return
        const found = [...stringPlaces(text, 'toml')]
        expect(found.at(-1)?.value).toBe('here')
        expect(found.every(({ value: inner, at, end }) => text.slice(at, end) === inner)).toBe(true)
        const plain = Object.values(table)
          .flat()
          .filter((one) => one === 'https://x.test/')
        expect(found.filter(({ value: inner }) => inner === 'https://x.test/')).toHaveLength(plain.length)
      }),
    )
  })

  it('end where the text does, and are looked for in one pass', () => {
    for (const text of ['"', "'''", '"""\\', '#', '"a\\'])
      for (const { value, at, end } of stringPlaces(text, 'toml')) expect(text.slice(at, end)).toBe(value)
    const many = `${'\\'.repeat(2)}`.repeat(500_000)
    expect([...stringPlaces(`a = "${many}"\nb = 'x'`, 'toml')].map(({ value }) => value)).toEqual(['x'])
    expect([...addressPlaces(`${' '.repeat(1_000_000)}https://x.test/a#b`)]).toMatchObject([
      { value: 'https://x.test/a' },
    ])
  })
})
