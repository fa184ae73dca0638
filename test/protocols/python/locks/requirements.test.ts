import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseRequirement, pinnedVersion } from '../../../../protocols/python/locks/requirement.ts'
import { readRequirements, readRequirementsText } from '../../../../protocols/python/locks/requirements.ts'
import { DepotError } from '../../../../src/errors.ts'
import { LIMITS } from '../../../../src/limits.ts'

const HEX = 'a'.repeat(64)
const OTHER = 'b'.repeat(64)

function refusal(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (error instanceof DepotError && error.code === 'BAD_REQUEST') return error.message
    throw error
  }
  throw new Error('not refused')
}

const read = (text: string) => readRequirementsText('requirements.txt', text)

/** Reads from a table; a path that is not in it is an error of the test. */
function filesIn(table: Readonly<Record<string, string>>): (path: string) => Promise<string> {
  return async (path) => {
    const text = table[path]
    if (text === undefined) throw new Error(`no ${path}`)
    return text
  }
}

describe('a requirement', () => {
  it.each([
    ['requests', { project: 'requests', extras: [], specifier: '' }],
    ['My.Pkg_x ~= 1.0', { project: 'my-pkg-x', extras: [], specifier: '~=1.0' }],
    ['idna ~=3.6', { project: 'idna', extras: [], specifier: '~=3.6' }],
    ['a[B_c , d]>=1,<2', { project: 'a', extras: ['b-c', 'd'], specifier: '>=1,<2' }],
    ['a (>=1, !=1.5)', { project: 'a', extras: [], specifier: '>=1,!=1.5' }],
    ['a==1.*', { project: 'a', extras: [], specifier: '==1.*' }],
    ['a===1.0+local', { project: 'a', extras: [], specifier: '===1.0+local' }],
    ['a>=1,', { project: 'a', extras: [], specifier: '>=1' }],
    ['a; python_version<"3.9"', { project: 'a', extras: [], specifier: '', marker: 'python_version<"3.9"' }],
    ['a==1;extra == "x;y"', { project: 'a', extras: [], specifier: '==1', marker: 'extra == "x;y"' }],
    ['a @ https://x.test/a;b.whl', { project: 'a', extras: [], specifier: '', url: 'https://x.test/a;b.whl' }],
    [
      'a[x]@https://x.test/a.whl ; os_name=="nt"',
      { project: 'a', extras: ['x'], specifier: '', url: 'https://x.test/a.whl', marker: 'os_name=="nt"' },
    ],
    ['name1', { project: 'name1', extras: [], specifier: '' }],
  ])('%s is read', (text, expected) => {
    expect(parseRequirement(text)).toEqual(expected)
  })

  it.each([
    '',
    '-x',
    'a b',
    'a=1',
    'a=>1',
    'a 1.0',
    'a[',
    'a[x',
    'a]',
    'a>=',
    'a>=1 <2',
    'a @',
    'a @ ',
    '_a',
    'a==1 --hash',
    'ä',
    '==1',
  ])('%j is none', (text) => {
    expect(parseRequirement(text)).toBeUndefined()
  })

  it('is pinned by == and === of one version alone', () => {
    expect(['==1.0', '===1.0', '==1.*', '>=1', '==1.0,<2', ''].map(pinnedVersion)).toEqual([
      '1.0',
      '1.0',
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('of any text is read or none, in no time', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseRequirement(text)))
    const started = performance.now()
    for (const piece of ['a', ' ', 'a,', '[', '@', '=', ';', 'a-'])
      parseRequirement(`a${piece.repeat(LIMITS.requirementLengthMax)}`.slice(0, LIMITS.requirementLengthMax))
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})

describe('a requirements file', () => {
  it('is read with comments, joined lines, a byte order mark and Windows line ends', () => {
    const lock = read(
      [
        '\uFEFF# a comment \\',
        'requests [socks] >= 2.0  # why',
        'joined \\',
        '  ==1.0',
        'url @ https://x.test/url-1.0.tar.gz#egg=url',
        'Pinned==1.0 \\',
        `    --hash=sha256:${HEX} \\`,
        `    --hash sha256:${OTHER.toUpperCase()}`,
        '    # via requests',
        'marked==2.0 ; python_version < "3.9" \\',
        `  --hash=sha256:${HEX}`,
        'loose>=1 \\',
        `  --hash=sha256:${HEX}`,
        '',
        'last==1 \\',
      ].join('\r\n'),
    )
    expect(lock.requirements).toEqual([
      'requests [socks] >= 2.0',
      'joined ==1.0',
      'url @ https://x.test/url-1.0.tar.gz#egg=url',
      'loose>=1',
      'last==1',
    ])
    expect(lock.versions).toEqual([
      { project: 'pinned', version: '1.0', extras: [], hashes: [`sha256:${HEX}`, `sha256:${OTHER}`] },
      { project: 'marked', version: '2.0', extras: [], hashes: [`sha256:${HEX}`], marker: 'python_version < "3.9"' },
    ])
    expect(lock.files).toMatchObject([{ project: 'url', filename: 'url-1.0.tar.gz', hashes: {} }])
  })

  it('says what its options say', () => {
    const { options } = read(
      [
        '-i https://pypi.example.org/simple --extra-index-url=https://a.test/simple/',
        "--extra-index-url 'https://b.test/simple/'",
        '--find-links ./wheels',
        '-f"./more wheels"',
        '--pre',
        '--require-hashes',
        '--no-binary :all:',
        '--only-binary=a,b',
        '--trusted-host x.test',
        '--use-feature fast-deps',
      ].join('\n'),
    )
    expect(options).toEqual({
      indexUrl: 'https://pypi.example.org/simple',
      extraIndexUrls: ['https://a.test/simple/', 'https://b.test/simple/'],
      findLinks: ['./wheels', './more wheels'],
      noIndex: false,
      preReleases: true,
      requireHashes: true,
      noBinary: [':all:'],
      onlyBinary: ['a', 'b'],
    })
  })

  it('names what comes from no index', () => {
    const { others, requirements } = read(
      [
        '-e .',
        '-e git+https://user:secret@git.example.org/x.git@main#egg=in-git',
        'also-git @ git+ssh://git@example.org/y.git',
        './wheels/local-1.0-py3-none-any.whl',
        'near-1.0.tar.gz',
        '/srv/far-1.0.tar.gz ; os_name == "nt"',
        'named @ file:///srv/named-1.0.zip',
      ].join('\n'),
    )
    expect(requirements).toEqual([])
    expect(others.map(({ name, address, breaks }) => [name, address, breaks])).toEqual([
      ['.', '.', false],
      ['in-git', 'git+https://git.example.org/x.git@main#egg=in-git', true],
      ['also-git', 'git+ssh://example.org/y.git', true],
      ['local-1.0-py3-none-any.whl', './wheels/local-1.0-py3-none-any.whl', false],
      ['near-1.0.tar.gz', 'near-1.0.tar.gz', false],
      ['far-1.0.tar.gz', '/srv/far-1.0.tar.gz', true],
      ['named', 'file:///srv/named-1.0.zip', true],
    ])
  })

  it('takes an address with a hash as a file, and resolves nothing for it', () => {
    const url = 'https://x.test/My_Pkg-1.0-py3-none-any.whl'
    const file = {
      project: 'my-pkg',
      version: '1.0',
      filename: 'My_Pkg-1.0-py3-none-any.whl',
      url,
      hashes: { sha256: HEX },
    }
    expect(read(`my-pkg @ ${url} --hash=sha256:${HEX}`)).toMatchObject({ files: [file], requirements: [] })
    expect(read(`${url}#sha256=${HEX}`)).toMatchObject({
      files: [file],
      requirements: [`my-pkg @ ${url}#sha256=${HEX}`],
    })
  })

  it.each([
    ['a ==== 1', "requirements.txt:1: 'a ==== 1' is no requirement"],
    ['a\nb c', "requirements.txt:2: 'b c' is no requirement"],
    ['--nonsense x', "requirements.txt:1: '--nonsense' is no option"],
    ['-i', 'requirements.txt:1: -i wants a value'],
    ['\n\na==1 \\\n --hash=sha256:short', "requirements.txt, requirements.txt:3: 'sha256:short' is no hash"],
    ['a==1 --hash=md4:00', "'md4:00' is no hash"],
    ['-r other.txt', 'requirements.txt:1: it names another file'],
    ['https://x.test/page.html', 'https://x.test/page.html is the address of no wheel and no sdist'],
    [`a${' '.repeat(LIMITS.requirementsLineCharsMax)}b`, 'the line is too long'],
  ])('is refused with its place: %j', (text, message) => {
    expect(refusal(() => read(text))).toContain(message)
  })

  it('of any text is read or refused', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '\\\n',
        '\n',
        ' ',
        '#',
        '--hash=',
        '-e ',
        '-r',
        '==',
        ' @ ',
        'https://x.test/',
        "'",
        '"',
        ';',
        '[',
        'a',
      ),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        try {
          read(pieces.join(''))
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_REQUEST' })
        }
      }),
    )
  })
})

describe('requirements files that name others', () => {
  it('are followed from where each lies, and limits stay limits', async () => {
    const files = filesIn({
      'app/requirements.txt': '-r sub/dev.txt\n-c ../limits.txt\na\n',
      'app/sub/dev.txt': '--requirement=../../common.txt\nb\n',
      'common.txt': 'c\n-r /etc/all.txt',
      '/etc/all.txt': 'd',
      'limits.txt': `a<2\ne==1 --hash=sha256:${HEX}\n-r common.txt\n-c more.txt`,
      'more.txt': 'f<3',
    })
    const lock = await readRequirements('./app/requirements.txt', files)
    expect(lock.requirements.toSorted()).toEqual(['a', 'b', 'c', 'd'])
    expect(lock.constraints.toSorted()).toEqual(['a<2', 'e==1', 'f<3'])
    expect(lock.versions).toEqual([])
  })

  it('may name one another in a circle', async () => {
    const files = filesIn({ 'a.txt': '-r sub/../b.txt\none', 'b.txt': '-r ./a.txt\ntwo\n-r b.txt' })
    expect((await readRequirements('a.txt', files)).requirements).toEqual(['two', 'one'])
  })

  it('are bounded, in depth and in number', async () => {
    const deep = (path: string) => Promise.resolve(`-r ${path}x`)
    await expect(readRequirements('a', deep)).rejects.toThrow('too many files name one another')
    const many = (path: string) =>
      Promise.resolve(
        path === 'a' ? Array.from({ length: LIMITS.requirementsFilesMax }, (_, at) => `-r ${at}`).join('\n') : '',
      )
    await expect(readRequirements('a', many)).rejects.toThrow('too many files name one another')
  })

  it('lie on this machine', async () => {
    const files = filesIn({ 'a.txt': '\n-r https://user:secret@x.test/b.txt' })
    await expect(readRequirements('a.txt', files)).rejects.toThrow('a.txt:2: https://x.test/b.txt is an address')
    await expect(readRequirements('a.txt', filesIn({ 'a.txt': '-r none.txt' }))).rejects.toThrow('no none.txt')
  })
})
