import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { expect, it } from 'vitest'

import { freePort } from '../helpers/free-port.ts'
import { describeWith, have } from '../helpers/have.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { saver, type Saver } from '../helpers/python-save.ts'
import { provenanceOf, pythonUpstream, UPLOADED } from '../helpers/python-upstream.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../helpers/wheel.ts'

const top = buildWheel({
  name: 'top',
  version: '1.2',
  requires: [
    'middle>=1',
    'extra-one; extra == "more"',
    'only-windows; sys_platform == "win32"',
    'old-pythons; python_version < "3"',
  ],
  headers: ['Provides-Extra: more'],
})
const topOlder = buildWheel({ name: 'top', version: '1.1' })
const middle = buildWheel({ name: 'middle', version: '2.0', requires: ['Under_Score'] })
const underScore = buildWheel({ name: 'Under_Score', version: '1.0' })
const extraOne = buildWheel({ name: 'extra-one', version: '3.0' })
const onlyWindows = buildWheel({ name: 'only-windows', version: '1.0', tag: 'cp312-cp312-win_amd64' })
const linux = buildWheel({ name: 'compiled', version: '1.0', tag: 'cp312-cp312-manylinux_2_17_x86_64', value: 'linux' })
const mac = buildWheel({ name: 'compiled', version: '1.0', tag: 'cp312-cp312-macosx_11_0_arm64', value: 'mac' })
const compiledSource = buildSdist({ name: 'compiled', version: '1.0' })
const WORLD: readonly BuiltFile[] = [
  top,
  topOlder,
  middle,
  underScore,
  extraOne,
  onlyWindows,
  linux,
  mac,
  compiledSource,
]

const CLOSURE = ['middle', 'only-windows', 'top', 'under-score']

function lockOf(files: readonly BuiltFile[]): string {
  return files
    .map(({ filename, sha256 }) => {
      const [name = '', version = ''] = filename.replace(/\.tar\.gz$/, '').split('-')
      return `${name}==${version} --hash=sha256:${sha256}\n`
    })
    .join('')
}

async function projects(outside: Saver): Promise<readonly string[]> {
  return [...new Set((await outside.saved()).map((file) => file.split('/', 1)[0] ?? ''))]
}

describeWith(['uv', 'python', 'pip'], 'depot python save', () => {
  for (const form of ['json', 'html'] as const)
    it(`saves all that a requirement depends on, on any system, from an index that speaks ${form}`, async () => {
      await using upstream = await pythonUpstream(WORLD, { form })
      await using outside = await saver(upstream, 'uv')

      const { status, stderr } = await outside.save(['top[more] >=1.2', 'compiled'])

      expect(stderr).toBe('')
      expect(status).toBe(0)
      expect(await projects(outside)).toEqual(['compiled', 'extra-one', ...CLOSURE].sort())
      const at = `top/${top.filename}`
      expect(await outside.read(at)).toEqual(top.bytes)
      expect((await outside.read(`${at}.metadata`)).toString()).toBe(top.metadata)
      expect(await outside.entry(at)).toMatchObject({ filename: top.filename, hashes: { sha256: top.sha256 } })
      expect(await outside.saved()).toContain(`compiled/${mac.filename}`)
    })

  it('keeps what the index says of a file and its provenance, byte for byte', async () => {
    await using upstream = await pythonUpstream(WORLD, { yanked: new Map([[top.filename, 'it breaks']]) })
    await using outside = await saver(upstream, 'uv')

    expect((await outside.save(['top==1.2'])).status).toBe(0)

    const at = `top/${top.filename}`
    expect(await outside.entry(at)).toMatchObject({
      url: `../../files/${top.filename}`,
      size: top.bytes.length,
      'upload-time': UPLOADED,
      yanked: 'it breaks',
    })
    expect((await outside.read(`${at}.provenance`)).toString()).toBe(provenanceOf(top))
  })

  it('saves for other systems and Pythons than its own, from which pip there installs without any index', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'uv')
    await using inside = await pythonClient()

    const { status } = await outside.save(['compiled', '--python', '3.12', '--platform', 'macos-arm64'])

    expect(status).toBe(0)
    expect(await outside.saved()).toEqual(
      [mac.filename, `${mac.filename}.json`, `${mac.filename}.metadata`, `${mac.filename}.provenance`].map(
        (name) => `compiled/${name}`,
      ),
    )
    const target = inside.join('target')
    await inside.ok(have.paths.pip, [
      ...'install --no-index --platform macosx_14_0_arm64 --python-version 3.12 --only-binary :all:'.split(' '),
      '--target',
      target,
      '--find-links',
      path.join(outside.folder, 'compiled'),
      'compiled',
    ])
    expect(await readFile(path.join(target, 'compiled.py'), 'utf8')).toContain('"mac"')
  })

  it('reads a list of requirements from standard input where nothing is named, with comments and limits', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'uv')
    await writeFile(outside.join('limits.txt'), 'top<1.2\n')

    const { status } = await outside.save([], { stdin: '# what we need\ntop >= 1  # all of it\n-c limits.txt\n' })

    expect(status).toBe(0)
    expect(await outside.saved()).toContain(`top/${topOlder.filename}`)
    expect(await outside.saved()).not.toContain(`top/${top.filename}`)
  })

  it('lets pip find the versions where uv is not installed', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'pip')

    const { status, stderr } = await outside.save(['top'])

    expect(stderr).toBe('')
    expect(status).toBe(0)
    // pip looks at this machine only.
    expect(await projects(outside)).toEqual(CLOSURE.filter((name) => name !== 'only-windows'))
  })

  it('saves what is pinned, and says that the rest is missing, where neither uv nor pip is installed', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'none')

    const { status, stderr } = await outside.save(['top==1.2', 'middle'])

    expect(status).toBe(1)
    expect(await projects(outside)).toEqual(['top'])
    expect(stderr).toMatch(/dependencies: neither uv nor pip is installed here/)
    expect(stderr).toMatch(/middle: neither uv nor pip/)
  })

  it('asks nobody for a lock whose files are all there and right, and only for what is missing', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'none')
    const lock = outside.join('requirements.txt')
    await writeFile(lock, lockOf([middle, underScore, linux]))
    expect((await outside.save(['-r', lock])).status).toBe(0)
    upstream.asked()

    const again = await outside.save(['requirements.txt'])
    expect(again).toMatchObject({ status: 0, stderr: '' })
    expect(again.stdout).toContain('saved 0 (0 bytes), 3 there already')
    expect(upstream.asked()).toEqual([])

    await writeFile(path.join(outside.folder, 'middle', middle.filename), 'damaged')
    expect((await outside.save(['-r', lock])).status).toBe(0)
    expect(upstream.asked().filter((at) => !at.includes('middle'))).toEqual([])
    expect(await outside.read(`middle/${middle.filename}`)).toEqual(middle.bytes)
  })

  it('fails for a file of a lock whose hash the index contradicts, and saves the others', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'none')
    const lock = outside.join('pylock.toml')
    await writeFile(lock, pylock(upstream.url, [{ ...middle, sha256: 'a'.repeat(64) }, underScore]))

    const { status, stderr } = await outside.save([lock])

    expect(status).toBe(1)
    expect(stderr).toMatch(`${middle.filename}: the index gives another hash than the lock file`)
    expect(await projects(outside)).toEqual(['under-score'])
  })

  it('saves files of a lock that its index does not list any more from where the lock says they are', async () => {
    await using upstream = await pythonUpstream([underScore])
    await using elsewhere = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'none')
    const lock = outside.join('pylock.toml')
    await writeFile(lock, pylock(elsewhere.url, [middle]))

    expect((await outside.save(['--lock', lock])).status).toBe(0)

    expect(await outside.read(`middle/${middle.filename}`)).toEqual(middle.bytes)
  })

  it('shows no file whose bytes are not what the index promised', async () => {
    await using upstream = await pythonUpstream(WORLD, { hashes: 'wrong', metadata: 'unannounced' })
    await using outside = await saver(upstream, 'none')

    const { status, stderr } = await outside.save(['under-score==1.0'])

    expect(status).toBe(1)
    expect(stderr).toMatch(/Under_Score.*has the sha256|under_score.*has the sha256/)
    expect((await outside.saved().catch(() => [])).filter((file) => file.endsWith('.whl'))).toEqual([])
  })

  it.each(['md5', 'none'] as const)(
    'takes files of an index whose best hash is %s, and notes one for the next save',
    async (hashes) => {
      await using upstream = await pythonUpstream(WORLD, { hashes })
      await using outside = await saver(upstream, 'uv')

      expect((await outside.save(['under-score'])).status).toBe(0)
      const entry = await outside.entry(`under-score/${underScore.filename}`)
      expect(Object.keys(entry['hashes'] as object)).toEqual([hashes === 'md5' ? 'md5' : 'sha256'])
      upstream.asked()

      expect((await outside.save(['under-score'])).stdout).toContain('1 there already')
      expect(upstream.asked().filter((at) => at.endsWith('.whl'))).toEqual([])
    },
  )

  it('goes on where a connection was cut', async () => {
    await using upstream = await pythonUpstream(WORLD, { cuts: 2 })
    await using outside = await saver(upstream, 'none')
    const lock = outside.join('requirements.txt')
    await writeFile(lock, lockOf([middle]))

    expect((await outside.save(['-r', lock])).status).toBe(0)

    expect(await outside.read(`middle/${middle.filename}`)).toEqual(middle.bytes)
  })

  it('names what no index has, and saves the rest', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'uv')

    const { status, stderr } = await outside.save(['middle', 'absent-one', 'top==9'])

    expect(status).toBe(1)
    expect(stderr).toMatch(/absent-one: uv finds no versions/)
    expect(stderr).toMatch(/top==9: uv finds no versions/)
    expect(await projects(outside)).toEqual(['middle', 'under-score'])
  })

  it('saves both of two versions that cannot be installed together', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'uv')

    expect((await outside.save(['top==1.1', 'top==1.2'])).status).toBe(0)

    const files = await outside.saved()
    expect([`top/${top.filename}`, `top/${topOlder.filename}`].every((file) => files.includes(file))).toBe(true)
  })

  it('leaves out METADATA that the index announces and has not, and fails for a wrong one', async () => {
    await using upstream = await pythonUpstream(WORLD, { metadata: 'missing' })
    await using outside = await saver(upstream, 'none')
    const lock = outside.join('requirements.txt')
    await writeFile(lock, lockOf([middle]))

    const first = await outside.save(['-r', lock])
    expect(first.status).toBe(0)
    expect(first.stdout).toMatch(`left out ${middle.filename}.metadata`)

    upstream.modes.metadata = 'wrong'
    await writeFile(lock, lockOf([underScore]))
    const second = await outside.save(['-r', lock])
    expect(second.status).toBe(1)
    expect(await outside.saved()).not.toContain(`under-score/${underScore.filename}.json`)
  })

  it('fails for what an index refuses or breaks down over, and saves the others', async () => {
    const files = [middle, underScore, extraOne, topOlder]
    await using upstream = await pythonUpstream(WORLD)
    upstream.modes.refusals
      .set('/simple/middle/', 401)
      .set('/simple/extra-one/', 403)
      .set(`/files/${topOlder.filename}`, 500)
    await using outside = await saver(upstream, 'none')
    const lock = outside.join('requirements.txt')
    await writeFile(lock, lockOf(files))

    const { status, stderr } = await outside.save(['-r', lock])

    expect(status).toBe(1)
    expect(stderr).toMatch(/^depot: middle==2\.0: \S+ answers 401/m)
    expect(stderr).toMatch(/^depot: extra-one==3\.0: \S+ answers 403/m)
    expect(stderr).toMatch(/^depot: top-1\.1-py3-none-any\.whl: \S+ answers 500/m)
    expect(await projects(outside)).toEqual(['under-score'])
  }, 90_000)

  it('ends soon when the host of the files does not answer', async () => {
    await using upstream = await pythonUpstream([underScore])
    await using outside = await saver(upstream, 'none')
    const files = Array.from({ length: 60 }, (_, index) => buildWheel({ name: `p${index}`, version: '1.0' }))
    const lock = outside.join('pylock.toml')
    await writeFile(lock, pylock(`http://127.0.0.1:${await freePort()}`, files))

    const { status, stdout, stderr } = await outside.save([lock])

    expect([status, stdout]).toEqual([1, expect.stringContaining('60 failed')])
    expect(stderr).toContain(' did not answer before: start again later')
  }, 90_000)

  it('does without provenance that it refuses, or that is something else', async () => {
    await using upstream = await pythonUpstream(WORLD)
    await using outside = await saver(upstream, 'none')
    upstream.modes.refusals.set(`/files/${middle.filename}.provenance`, 403)
    upstream.modes.refusals.set(`/files/${underScore.filename}.provenance`, 200)
    const lock = outside.join('requirements.txt')
    await writeFile(lock, lockOf([middle, underScore]))

    const { status, stdout } = await outside.save(['-r', lock])

    expect(status).toBe(0)
    expect(stdout).toMatch(/^left out middle-2\.0-py3-none-any\.whl\.provenance: .*answers 403/m)
    expect(stdout).toMatch(/^left out under_score-1\.0-py3-none-any\.whl\.provenance: .*answers with something else/im)
    expect(await projects(outside)).toEqual(['middle', 'under-score'])
  })

  it('saves nothing of a project in quarantine', async () => {
    await using upstream = await pythonUpstream(WORLD, { quarantined: new Set(['middle']) })
    await using outside = await saver(upstream, 'none')
    const lock = outside.join('requirements.txt')
    await writeFile(lock, lockOf([middle, underScore]))

    const { status, stderr } = await outside.save(['-r', lock])

    expect(status).toBe(1)
    expect(stderr).toMatch(/middle==2\.0: the index has put the project in quarantine/)
    expect(await projects(outside)).toEqual(['under-score'])
  })

  it('passes over links of an index that are no distributions, and writes nothing outside of its folder', async () => {
    const strange = [
      '../../../evil-1.0.tar.gz',
      'top-1.2.exe',
      'top-2004d.tar.bz2',
      '%2e%2e%2fevil.whl',
      'file:///etc/passwd',
      'javascript:1',
    ]
    await using upstream = await pythonUpstream(WORLD, { strange, form: 'html' })
    await using outside = await saver(upstream, 'none')

    expect((await outside.save(['under-score==1.0', '--json'])).stderr).toBe('')

    expect(await projects(outside)).toEqual(['under-score'])
    expect((await readdir(outside.home)).filter((name) => !name.startsWith('.')).sort()).toEqual(['bin', 'saved'])
  })

  it('asks no other index for a project that the first one has', async () => {
    const planted = buildWheel({ name: 'middle', version: '99', value: 'stolen' })
    await using publicIndex = await pythonUpstream([planted, underScore])
    await using own = await pythonUpstream([middle])
    await using outside = await saver(publicIndex, 'uv')

    const { status } = await outside.save(['middle'], { env: { PIP_EXTRA_INDEX_URL: own.index } })

    expect(status).toBe(0)
    expect(await outside.saved()).toContain(`middle/${middle.filename}`)
    expect(await outside.saved()).not.toContain(`middle/${planted.filename}`)
    expect(await projects(outside)).toContain('under-score')
  })

  it('shows credentials of an address or of netrc to that index alone, and to nobody else', async () => {
    const authorization = `Basic ${Buffer.from('me:s3cret-word').toString('base64')}`
    await using upstream = await pythonUpstream(WORLD, { authorization })
    await using outside = await saver(undefined, 'uv')
    const withUser = upstream.index.replace('://', '://me:s3cret-word@')

    const refused = await outside.save(['under-score'], { env: { PIP_INDEX_URL: upstream.index } })
    expect(refused.status).toBe(1)

    const named = await outside.save(['under-score'], { env: { UV_DEFAULT_INDEX: withUser } })
    expect(named.status).toBe(0)

    await writeFile(outside.join('.netrc'), 'machine 127.0.0.1 login me password s3cret-word\n', { mode: 0o600 })
    const found = await outside.save(['middle', 'absent-one', '--index-url', upstream.index])
    expect(found.status).toBe(1)
    expect(await projects(outside)).toEqual(['middle', 'under-score'])
    for (const { stdout, stderr } of [refused, named, found]) expect(stdout + stderr).not.toContain('s3cret')
    const entries = (await outside.saved()).filter((file) => file.endsWith('.json'))
    for (const file of entries) expect((await outside.read(file)).toString()).not.toContain('s3cret')
  })

  it('saves what builds an sdist, and what builds that, so that pip builds it without any index', async () => {
    const source = buildSdist({ name: 'sourced', version: '1.0', buildRequires: ['builder'], value: 'built' })
    const builder = buildSdist({ name: 'builder', version: '1.0', buildRequires: ['deeper'] })
    const deeper = buildWheel({ name: 'deeper', version: '1.0' })
    await using upstream = await pythonUpstream([source, builder, deeper])
    await using outside = await saver(upstream, 'uv')
    await using inside = await pythonClient()
    const lock = outside.join('requirements.txt')
    await writeFile(lock, lockOf([source]))

    expect((await outside.save(['-r', lock])).status).toBe(0)
    expect(await projects(outside)).toEqual(['builder', 'deeper', 'sourced'])

    upstream.asked()
    expect((await outside.save(['-r', lock])).stdout).toContain('3 there already')
    expect(upstream.asked()).toEqual([])

    const links = ['sourced', 'builder', 'deeper'].flatMap((name) => ['--find-links', path.join(outside.folder, name)])
    await inside.ok(have.paths.pip, ['install', '--no-index', ...links, '--target', inside.join('target'), 'sourced'])
    expect(await readFile(inside.join('target', 'sourced.py'), 'utf8')).toContain('"built"')
  })

  it('saves the source as it is told: where a wheel is missing, always or never', async () => {
    await using upstream = await pythonUpstream(WORLD)
    const kinds = async (...args: string[]): Promise<number> => {
      await using outside = await saver(upstream, 'uv')
      await outside.save(['compiled', ...args])
      return (await outside.saved().catch(() => [])).filter((file) => file.endsWith('.tar.gz')).length
    }
    expect(await kinds()).toBe(0)
    expect(await kinds('--sdist', 'always')).toBe(1)
    expect(await kinds('--platform', 'windows-x86_64')).toBe(1)
    expect(await kinds('--platform', 'windows-x86_64', '--sdist', 'never')).toBe(0)
  })

  it('says in one line what is wrong with its arguments', async () => {
    await using outside = await saver(undefined, 'none')
    for (const [args, message] of [
      [['--sdist', 'perhaps'], /--sdist perhaps: it is always, if-needed or never/],
      [['--python', 'three'], /'three' is no version of Python/],
      [['--platform', 'amiga!'], /'amiga!' is no platform/],
      [['not a name'], /'not a name' is no requirement/],
      [['-r', 'absent.txt'], /absent\.txt cannot be read/],
      [['top', '--index-url', 'ftp://me:s3cret@host/'], /must begin with https:\/\//],
    ] as const) {
      const { status, stderr } = await outside.save(args)
      expect(stderr).toMatch(message)
      expect(stderr).not.toContain('s3cret')
      expect(status).not.toBe(0)
    }
  })
})

function pylock(url: string, files: readonly BuiltFile[]): string {
  const packages = files.map(({ filename, sha256 }) => {
    const [name = '', version = ''] = filename.split('-')
    return `[[packages]]
name = "${name.replaceAll('_', '-').toLowerCase()}"
version = "${version}"
wheels = [{ url = "${url}/files/${filename}", hashes = { sha256 = "${sha256}" } }]
`
  })
  return `lock-version = "1.0"\ncreated-by = "a test"\n${packages.join('\n')}`
}

describeWith(['uv', 'python', 'pip', 'pythonIndex'], 'depot python save from the index of this machine', () => {
  /** Each has something odd in its history: names, versions or files that are none. */
  const ODD = ['numpy', 'setuptools', 'pytz', 'zope.interface', 'python-dateutil', 'charset-normalizer']
  const reaching = /^(?:PIP_INDEX_URL|PIP_CERT|SSL_CERT_\w+|NODE_EXTRA_CA_CERTS|\w+_proxy)$/i

  it(
    'saves projects with a long history, and pip for another system and Python installs them from the folder',
    { timeout: 180_000 },
    async () => {
      await using outside = await saver(undefined, 'uv')
      await using inside = await pythonClient()
      const env = Object.fromEntries(
        Object.entries(process.env).flatMap(([name, value]) =>
          reaching.test(name) && value !== undefined ? [[name, value]] : [],
        ),
      )
      const args = [...ODD, '--python', '3.12', '--platform', 'windows-x86_64']

      const { status, stderr } = await outside.save(args, { env })

      expect(stderr).toBe('')
      expect(status).toBe(0)
      expect(await projects(outside)).toEqual(expect.arrayContaining(ODD.map((name) => name.replace('.', '-'))))
      const links = (await projects(outside)).flatMap((name) => ['--find-links', path.join(outside.folder, name)])
      await inside.ok(have.paths.pip, [
        ...'install --no-index --platform win_amd64 --python-version 3.12 --only-binary :all:'.split(' '),
        '--target',
        inside.join('target'),
        ...links,
        ...ODD,
      ])
      expect(await readdir(inside.join('target'))).toEqual(
        expect.arrayContaining(['numpy', 'pytz', 'dateutil', 'zope']),
      )
      expect((await outside.save(args, { env })).stdout).toMatch(/saved 0 \(0 bytes\), \d+ there already, 0 failed/)
    },
  )
})
