import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { attestation } from '../../helpers/attestation.ts'
import { makeLoginKey } from '../../helpers/forged-logins.ts'
import { makeToken } from '../../helpers/guarded-routes.ts'
import { pythonTransfer, type PythonTransfer } from '../../helpers/python-transfer.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { startUpstream } from '../../helpers/upstream.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../../helpers/wheel.ts'
import type { WorldOptions } from '../../helpers/world.ts'

interface Push extends PythonTransfer {
  /** Write a file with its entry into the folder of its project. */
  save(file: BuiltFile, options?: SavedOptions): Promise<string>
}

interface SavedOptions {
  /** Further fields of its entry; null for no entry at all. */
  readonly entry?: object | null
  readonly provenance?: string
  readonly below?: string
}

const UPLOADED = '2015-08-28T17:59:30.994041Z'

async function push(options: WorldOptions = {}): Promise<Push> {
  const transfer = await pythonTransfer((folder, url) => ['python', 'push', url, '--dir', folder], options)
  return {
    ...transfer,
    async save(file, { entry = {}, provenance, below } = {}) {
      const at = transfer.folder.join(below ?? file.filename.split('-')[0]?.replaceAll('_', '-') ?? '', file.filename)
      await mkdir(path.dirname(at), { recursive: true })
      await writeFile(at, file.bytes)
      if (entry !== null) await writeFile(`${at}.json`, JSON.stringify({ ...entryOf(file), ...entry }))
      if (provenance !== undefined) await writeFile(`${at}.provenance`, provenance)
      return at
    },
  }
}

function entryOf({ filename, sha256, bytes }: BuiltFile): object {
  return {
    filename,
    url: `https://files.example.org/packages/aa/bb/${filename}`,
    hashes: { sha256 },
    size: bytes.byteLength,
    'requires-python': null,
    'upload-time': UPLOADED,
    yanked: false,
    'core-metadata': { sha256: '0'.repeat(64) },
    provenance: null,
  }
}

function provenanceOf(file: BuiltFile): string {
  const bundle = { publisher: { kind: 'GitHub', repository: 'acme/demo' }, attestations: [attestation(file)] }
  return `{ "version": 1,\n "attestation_bundles": [${JSON.stringify(bundle)}] }`
}

describe('depot python push', () => {
  it('brings in wheels and sdists with date, yank, Pythons and provenance as the index said them', async () => {
    await using here = await push()
    const wheel = buildWheel({ name: 'My.Pkg_x', version: '1.0+local.1' })
    const sdist = buildSdist({ name: 'My.Pkg_x', version: '1.0' })
    await here.save(wheel, { provenance: provenanceOf(wheel), entry: { 'requires-python': '>=3.8' } })
    await here.save(sdist, { entry: { yanked: 'broken on Windows' } })
    const { status, stdout } = await here.run()
    expect(stdout).toContain(`sent ${wheel.filename}\n`)
    expect(stdout).toMatch(/\nsent 2 \([^)]+\), 0 there already, 0 failed\n$/)
    expect(status).toBe(0)
    const files = await here.files('my-pkg-x')
    expect(files).toHaveLength(2)
    expect(files).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          filename: wheel.filename,
          'upload-time': UPLOADED,
          yanked: false,
          'requires-python': '>=3.8',
        }),
        expect.objectContaining({ filename: sdist.filename, 'upload-time': UPLOADED, yanked: 'broken on Windows' }),
      ]),
    )
    const at = `/python/integrity/my-pkg-x/1.0+local.1/${encodeURIComponent(wheel.filename)}/provenance`
    expect(await (await here.world.fetch(at)).text()).toBe(provenanceOf(wheel))
    expect(here.world.bugs).toEqual([])
  })

  it('sends nothing twice, asks once for all, and mends what a stopped push did not come to', async () => {
    await using here = await push()
    const [one, two] = [buildWheel({ name: 'one', version: '1.0' }), buildWheel({ name: 'two', version: '1.0' })]
    await here.save(one, { provenance: provenanceOf(one), entry: { yanked: true } })
    await here.save(two)
    const sent = { method: 'PUT', body: Uint8Array.from(one.bytes) }
    expect((await here.world.fetch(`/python/one/${one.filename}`, sent)).status).toBe(201)
    expect((await here.run()).stdout).toMatch(/sent 1 \([^)]+\), 1 there already, 0 failed\n$/)
    expect(await here.files('one')).toMatchObject([
      { 'upload-time': UPLOADED, yanked: true, provenance: expect.any(String) as unknown },
    ])
    const before = await here.audited()
    expect((await here.run()).stdout).toBe('sent 0 (0 bytes), 2 there already, 0 failed\n')
    expect(await here.audited()).toEqual(before)
  })

  it('asks one question of a depot that has everything', async () => {
    await using here = await push()
    for (let number = 0; number < 20; number++) await here.save(buildWheel({ name: `many-${number}`, version: '1.0' }))
    await here.run()
    const asked: string[] = []
    await using between = await startUpstream((incoming, outgoing) => {
      asked.push(`${incoming.method} ${incoming.url}`)
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const body = chunks.length === 0 ? {} : { body: Uint8Array.from(Buffer.concat(chunks)) }
        const headers = { 'Content-Type': 'application/json' }
        void fetch(here.world.url + incoming.url, { method: incoming.method ?? 'GET', headers, ...body }).then(
          async (answer) => outgoing.writeHead(answer.status).end(await answer.text()),
        )
      })
    })
    const { stdout } = await runDepot(['python', 'push', between.url, '--dir', here.folder.path])
    expect(stdout).toBe('sent 0 (0 bytes), 20 there already, 0 failed\n')
    expect(asked.filter((line) => line.includes('/python'))).toEqual(['POST /python/-/missing'])
  })

  it('never makes a file younger, and leaves the yanks that somebody made in the depot', async () => {
    await using here = await push()
    const file = buildWheel({ name: 'kept', version: '1.0' })
    await here.save(file)
    await here.run()
    const yank = { method: 'POST', body: JSON.stringify({ version: '1.0', yanked: true, reason: 'ours' }) }
    expect((await here.world.fetch('/python/-/projects/kept/yanks', yank)).status).toBe(200)
    await here.save(file, { entry: { 'upload-time': '2020-01-01T00:00:00Z', yanked: false } })
    expect((await here.run()).status).toBe(0)
    expect(await here.files('kept')).toMatchObject([{ 'upload-time': UPLOADED, yanked: 'ours' }])
  })

  it('reads the folders of a-h/depot: names as typed, and files without anything beside them', async () => {
    await using here = await push()
    const wheel = buildWheel({ name: 'MarkupSafe', version: '1.0' })
    const sdist = buildSdist({ name: 'python-dateutil', version: '2.9.0.post0' })
    await here.save(wheel, { below: 'MarkupSafe', entry: { 'requires-python': '' } })
    await here.save(sdist, { below: 'python_dateutil', entry: null })
    expect((await here.run()).stdout).toMatch(/sent 2 \(/)
    expect(await here.files('markupsafe')).toMatchObject([{ 'upload-time': UPLOADED }])
    expect(await here.files('python-dateutil')).toHaveLength(1)
  })

  it('leaves out what no depot takes, and says why', async () => {
    await using here = await push()
    await here.save(buildWheel({ name: 'good', version: '1.0' }))
    const at = (name: string) => here.folder.join('good', name)
    await writeFile(at('good-0.9.tar.bz2'), 'x')
    await writeFile(at('good-2004d.tar.gz'), 'x')
    await writeFile(at('lone-1.0.tar.gz.json'), '{}')
    await writeFile(at('good-1.0-py3-none-any.whl.metadata'), 'Name: evil\n')
    await writeFile(at('.hidden-1.0.tar.gz'), 'x')
    const { stdout, status } = await here.run()
    expect(stdout).toContain(
      'left out good/good-0.9.tar.bz2: it is an sdist of an old kind, which no index takes any more',
    )
    expect(stdout).toContain('left out good/good-2004d.tar.gz: the file name has no version as PEP 440 defines it')
    expect(stdout).toContain('left out good/lone-1.0.tar.gz.json: there is no lone-1.0.tar.gz beside it')
    expect(stdout).toMatch(/sent 1 \([^)]+\), 0 there already, 0 failed, 3 left out\n$/)
    expect(status).toBe(0)
  })

  it('names what is damaged or lies, sends nothing of it, and brings in the rest', async () => {
    await using here = await push()
    const built = (name: string) => buildWheel({ name, version: '1.0' })
    await here.save(built('good'))
    await truncate(await here.save(built('cut')), 100)
    await here.save({ ...built('changed'), bytes: Buffer.from(built('changed').bytes.map((byte) => byte ^ 1)) })
    await here.save(built('hash'), { entry: { hashes: { sha256: 'a'.repeat(64) } } })
    await here.save(built('nohash'), { entry: { hashes: { sha256: '../x' } } })
    await here.save(built('name'), { entry: { filename: 'good-1.0-py3-none-any.whl' } })
    await here.save(built('yank'), { entry: { yanked: { __proto__: null, a: 1 } } })
    await here.save(built('time'), { entry: { 'upload-time': '2020-02-30T00:00:00Z' } })
    await here.save(built('pythons'), { entry: { 'requires-python': '>=3\u0007' } })
    await here.save(built('proof'), { provenance: provenanceOf(built('good')) })
    await here.save(built('words'), { provenance: '[' })
    await writeFile(`${await here.save(built('json'))}.json`, '{')
    await writeFile(`${await here.save(built('huge'))}.json`, ' '.repeat(LIMITS.pythonSavedEntryBytesMax + 1))
    await here.save(built('url'), { entry: { url: 'javascript:alert(1)' } })
    await symlink(here.folder.join('good'), here.folder.join('zlink'))
    const { status, stdout, stderr } = await here.run()
    expect(status).toBe(1)
    const said = (name: string, why: string) => expect(stderr).toContain(`depot: ${name}-1.0-py3-none-any.whl: ${why}`)
    said('cut', 'it has 100 bytes, and its .json says')
    said('changed', 'it is damaged: sha256')
    said('hash', `it is damaged: sha256 ${'a'.repeat(64)} was promised`)
    said('nohash', 'its .json cannot be used: it has a sha256 that is none')
    said('name', 'its .json is of another file, good-1.0-py3-none-any.whl')
    for (const name of ['yank', 'time', 'pythons', 'json']) said(name, 'its .json cannot be used')
    said('proof', 'its .provenance cannot be used: an attestation is about another file')
    said('words', 'its .provenance cannot be used')
    said('huge', 'huge/huge-1.0-py3-none-any.whl.json is larger than')
    expect(stdout).toMatch(/\nsent 2 \([^)]+\), 0 there already, 12 failed\n$/)
    for (const name of ['cut', 'changed', 'hash', 'name', 'yank', 'proof', 'json'])
      expect(await here.files(name)).toEqual([])
    expect(await here.files('url')).toHaveLength(1)
    expect(here.world.bugs).toEqual([])
  })

  it('fails for what the depot has otherwise, or does not take', async () => {
    await using here = await push()
    const file = (name: string, value?: string) =>
      buildWheel({ name, version: '1.0', ...(value === undefined ? {} : { value }) })
    const put = (project: string, { filename, bytes }: BuiltFile) =>
      here.world.fetch(`/python/${project}/${filename}`, { method: 'PUT', body: Uint8Array.from(bytes) })
    await put('other', file('other', 'theirs'))
    await put('gone', file('gone'))
    await put('shut', buildSdist({ name: 'shut', version: '1.0' }))
    const post = (at: string, body: object) =>
      here.world.fetch(`/python/-/projects/${at}`, { method: 'POST', body: JSON.stringify(body) })
    await post('gone/deletions', { all: true })
    await post('shut/status', { status: 'archived' })
    for (const name of ['other', 'gone', 'shut', 'fine']) await here.save(file(name))
    const spelt = file('fine')
    await here.save({ ...spelt, filename: spelt.filename.replace('1.0', '1.0.0') }, { below: 'zz', entry: null })
    const { status, stderr, stdout } = await here.run()
    expect(status).toBe(1)
    expect(stderr).toContain(`the depot has another file of this name, with sha256 ${file('other', 'theirs').sha256}`)
    expect(stderr).toContain('was deleted, and the name stays taken')
    expect(stderr).toContain('the depot has the project archived: it takes no files')
    expect(stdout).toMatch(/\nsent 1 \([^)]+\), 0 there already, 4 failed\n$/)
  })

  it('verifies everything and sends nothing with --dry-run', async () => {
    await using here = await push()
    await here.save(buildWheel({ name: 'good', version: '1.0' }))
    const cut = await here.save(buildWheel({ name: 'same-size', version: '1.0' }))
    await writeFile(cut, Buffer.alloc(buildWheel({ name: 'same-size', version: '1.0' }).bytes.byteLength))
    const { stdout, status } = await here.run('--dry-run', '--json')
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines.at(-1)).toMatchObject({ sent: 1, there: 0, failed: 1, leftOut: 0, dryRun: true })
    expect(lines).toContainEqual(
      expect.objectContaining({ item: 'good-1.0-py3-none-any.whl', result: 'sent', dryRun: true }),
    )
    expect(status).toBe(1)
    expect(await here.files('good')).toEqual([])
    expect(await here.audited()).toEqual([])
  })

  it('leaves another provenance where it is', async () => {
    await using here = await push()
    const file = buildWheel({ name: 'proof', version: '1.0' })
    await here.save(file, { provenance: provenanceOf(file) })
    await here.run()
    await here.save(file, { provenance: provenanceOf(file).replace('GitHub', 'GitLab') })
    const { status, stderr } = await here.run()
    expect(status).toBe(1)
    expect(stderr).toContain('the depot has another provenance of it')
    const at = `/python/integrity/proof/1.0/${file.filename}/provenance`
    expect(await (await here.world.fetch(at)).text()).toBe(provenanceOf(file))
  })

  it('two at once both end well, and leave what one leaves', async () => {
    await using here = await push()
    for (let number = 0; number < 30; number++) {
      const file = buildWheel({ name: `both-${number % 10}`, version: `1.${number}` })
      await here.save(file, { provenance: provenanceOf(file), entry: { yanked: number % 3 === 0 } })
    }
    const both = await Promise.all([here.run(), here.run()])
    expect(both.map(({ status, stderr }) => ({ status, stderr }))).toEqual([
      { status: 0, stderr: '' },
      { status: 0, stderr: '' },
    ])
    expect((await here.run()).stdout).toBe('sent 0 (0 bytes), 30 there already, 0 failed\n')
    const files = (await Promise.all(Array.from({ length: 10 }, (_, number) => here.files(`both-${number}`)))).flat()
    expect(files).toHaveLength(30)
    expect(files.every((file) => file['upload-time'] === UPLOADED && typeof file['provenance'] === 'string')).toBe(true)
    expect(new Set(await here.audited()).size).toBe((await here.audited()).length)
  })

  it('says what is wrong with credentials, and takes a token from the command line', async () => {
    const key = makeLoginKey()
    await using here = await push({ authFile: `w ${key.line} team@test`, settings: { 'read-auth': 'always' } })
    await here.save(buildWheel({ name: 'guarded', version: '1.0' }))
    const reader = await makeToken(here.world.url, key, ['python:read:*'])
    const writer = await makeToken(here.world.url, key, ['python:write:*', 'python:read:*'])
    const bad = await here.run('--token', 'dpt_nothing')
    expect(bad).toMatchObject({ status: expect.toSatisfy((status) => status !== 0) as unknown })
    expect(bad.stderr).toContain('does not, or no longer, take')
    const refused = await here.run('--token', reader)
    expect(refused.stderr).toContain('your credentials do not permit this')
    expect(refused.status).not.toBe(0)
    expect(await here.audited()).not.toContain('guarded/guarded-1.0-py3-none-any.whl')
    expect((await here.run('--token', writer)).stdout).toMatch(/^sent guarded/)
  })

  it('wants a folder with something in it', async () => {
    await using here = await push()
    const empty = await here.run()
    expect(empty.stderr).toContain('holds no wheel and no sdist')
    expect(empty.status).not.toBe(0)
    const none = await runDepot(['python', 'push', here.world.url, '--dir', here.folder.join('none')])
    expect(none.stderr).toContain('there is nothing to push')
  })
})
