import { execFile } from 'node:child_process'
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { parsePublicKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { compress } from '../../helpers/compress.ts'
import { startGuardedWorld } from '../../helpers/guarded-world.ts'
import {
  BUILD_TRACE_SCHEMA,
  REALISATIONS_SCHEMA,
  testStore,
  type AddedPath,
  type TestStore,
} from '../../helpers/local-store.ts'
import { PUBLIC, push, nixUpload, put, SECRET } from '../../helpers/nix-upload.ts'
import { startWorld, type World } from '../../helpers/world.ts'

let store: TestStore
let world: World
beforeAll(async () => {
  store = await testStore()
  world = await startWorld({ settings: { 'nix-store': store.root, 'trusted-public-key': PUBLIC } })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

async function get(path: string, headers: Record<string, string> = {}) {
  const answer = await world.fetch(path, { headers })
  return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) }
}
const statusOf = async (path: string): Promise<number> => (await get(path)).status
const listingOf = ({ storeHash }: AddedPath): string => `/nix/${storeHash}.ls`

function addFolder(name: string): Promise<AddedPath> {
  return store.add(name, async (file) => {
    await mkdir(`${file}/empty`, { recursive: true })
    await writeFile(`${file}/program`, Buffer.alloc(300_001, 'x'), { mode: 0o755 })
    await symlink('/etc/passwd', `${file}/link`)
  })
}

describe('the listing of a local path', () => {
  it('is made from names and sizes: no file is read for it', async () => {
    const added = await addFolder('unread')
    // Its bytes are no longer those of the archive, which nobody has seen who only asked for names.
    await writeFile(`${added.file}/program`, Buffer.alloc(300_001, 'y'))
    const { status, headers, body } = await get(listingOf(added))
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json'])
    const offset = added.nar.indexOf(Buffer.alloc(300_001, 'x'))
    expect(JSON.parse(body.toString())).toEqual({
      version: 1,
      root: {
        type: 'directory',
        entries: {
          empty: { type: 'directory', entries: {} },
          link: { type: 'symlink', target: '/etc/passwd' },
          program: { type: 'regular', executable: true, size: 300_001, narOffset: offset },
        },
      },
    })
    expect((await get(listingOf(added), { 'If-None-Match': headers.get('etag') ?? '' })).status).toBe(304)
    expect((await world.fetch(listingOf(added), { method: 'HEAD' })).headers.get('content-length')).toBe(
      String(body.byteLength),
    )
    expect((await get(`/${added.storeHash}.ls`)).body).toEqual(body)
  })

  it.each<[string, (added: AddedPath) => Promise<unknown> | void]>([
    ['is not valid', ({ baseName }) => store.invalidate(baseName)],
    ['is gone', ({ file }) => rm(file, { recursive: true })],
    ['lost a file', ({ file }) => rm(`${file}/program`)],
    ['has a file of another size', ({ file }) => truncate(`${file}/program`, 10)],
    ['has something that no archive can hold', ({ file }) => mkfifo(`${file}/zzz`)],
  ])('of which the path %s is 404', async (what, change) => {
    const added = await addFolder(what.replaceAll(' ', '-'))
    expect(await statusOf(listingOf(added))).toBe(200)
    await change(added)
    expect(await statusOf(listingOf(added))).toBe(404)
    expect(world.bugs).toEqual([])
  })

  it('gives way to that of the path that was pushed', async () => {
    const local = await store.add('pushed', (file) => writeFile(file, 'local'))
    const upload = await nixUpload('pushed', { name: 'pushed' })
    const renamed = `/nix/store/${upload.storeHash}-pushed`
    store.database.prepare('update ValidPaths set path = ? where path = ?').run(renamed, `/nix/store/${local.baseName}`)
    await push(world, upload)
    const { body } = await get(`/nix/${upload.storeHash}.ls`)
    expect(JSON.parse(body.toString())).toMatchObject({ root: { size: Buffer.byteLength('pushed') } })
  })
})

const DRV = `${'7'.repeat(32)}-talks.drv`
const LOG = `/nix/log/${DRV}`
const TEXT = Array.from({ length: 300 }, (_, line) => `line ${line}\n`).join('')
const bzip2 = (text: string): Promise<Buffer> => compress('bzip2', Buffer.from(text))

describe('the log of a local build', () => {
  beforeEach(() => rm(`${store.root}/nix/var/log`, { recursive: true, force: true }))

  it.each<[string, string, boolean]>([
    ['compressed', '.bz2', true],
    ['not compressed', '', false],
    ['both, of which the plain one counts', '', false],
  ])('is decoded, of known length, in ranges and under conditions: %s', async (what, suffix, compressed) => {
    if (what.startsWith('both')) await store.addLog(`${DRV}.bz2`, await bzip2('older'))
    await store.addLog(DRV + suffix, compressed ? await bzip2(TEXT) : TEXT)
    const { status, headers, body } = await get(LOG)
    expect([status, headers.get('content-length'), headers.get('content-type')]).toEqual([
      200,
      String(TEXT.length),
      'text/plain; charset=utf-8',
    ])
    expect(body.toString()).toBe(TEXT)
    const part = await get(LOG, { Range: 'bytes=1000-1010' })
    expect([part.status, part.body.toString()]).toEqual([206, TEXT.slice(1000, 1011)])
    expect((await get(LOG, { 'If-None-Match': headers.get('etag') ?? '' })).status).toBe(304)
    expect((await world.fetch(LOG, { method: 'HEAD' })).headers.get('content-length')).toBe(String(TEXT.length))
  })

  it('is of no length at all when nothing was printed', async () => {
    await store.addLog(`${DRV}.bz2`, await bzip2(''))
    expect(await get(LOG)).toMatchObject({ status: 200, body: Buffer.alloc(0) })
  })

  it('is none while Nix still writes it, when it is damaged, a link, or not there', async () => {
    expect(await statusOf(LOG)).toBe(404)
    for (const bytes of [(await bzip2(TEXT)).subarray(0, -20), '', 'no bzip2'] as const) {
      await store.addLog(`${DRV}.bz2`, bytes)
      expect(await statusOf(LOG)).toBe(404)
    }
    const file = `${store.root}/nix/var/log/nix/drvs/${DRV.slice(0, 2)}/${DRV.slice(2)}`
    await symlink('/etc/passwd', file)
    expect(await statusOf(LOG)).toBe(404)
    await rm(file)
    await mkdir(file)
    expect(await statusOf(LOG)).toBe(404)
    expect(world.bugs).toEqual([])
  })

  it('gives way to the one that was sent', async () => {
    await store.addLog(`${DRV}.bz2`, await bzip2('local'))
    const other = LOG.replace('talks', 'sent')
    await store.addLog(`${DRV.replace('talks', 'sent')}.bz2`, await bzip2('local'))
    expect(await put(world, other, 'sent')).toMatchObject({ status: 201 })
    expect([(await get(LOG)).body.toString(), (await get(other)).body.toString()]).toEqual(['local', 'sent'])
  })

  it('is for those who may read', async () => {
    await store.addLog(`${DRV}.bz2`, await bzip2('private'))
    const added = await addFolder('private')
    await using guarded = await startGuardedWorld({ reads: 'closed', settings: { 'nix-store': store.root } })
    for (const path of [LOG, listingOf(added)]) {
      expect((await guarded.fetch(path)).status).toBe(401)
      const headers = { Authorization: `Bearer ${await guarded.token('nix:read:*')}` }
      expect((await guarded.fetch(path, { headers })).status).toBe(200)
    }
  })
})

const ID = `sha256:${'a'.repeat(64)}`
const DOI = `/nix/realisations/${ID}!out.doi`

describe('what an output of a local build turned out to be', () => {
  const enter = (derivation: string, path: AddedPath, signatures: string | null = null): number =>
    Number(
      store.database
        .prepare(
          'insert into Realisations (drvPath, outputName, outputPath, signatures) select ?, ?, id, ? from ValidPaths where path = ?',
        )
        .run(derivation, 'out', signatures, `/nix/store/${path.baseName}`).lastInsertRowid,
    )

  it('is none in a store that knows of no such things, and told as soon as it does', async () => {
    const [out, dep] = [await addFolder('out'), await addFolder('dep')]
    expect(await statusOf(DOI)).toBe(404)
    store.database.exec(REALISATIONS_SCHEMA)
    expect(await statusOf(DOI)).toBe(404)
    const dependents = { [`sha256:${'b'.repeat(64)}!out`]: dep.baseName }
    const signed = JSON.stringify({ dependentRealisations: dependents, id: `${ID}!out`, outPath: out.baseName })
    const good = parseSecretKey(SECRET).sign(signed)
    const own = enter(ID, out, `${good} other-1:${'A'.repeat(86)}== nonsense`)
    const other = enter(`sha256:${'b'.repeat(64)}`, dep)
    store.database.prepare('insert into RealisationsRefs values (?, ?)').run(own, other)
    const { status, body } = await get(DOI)
    expect(status).toBe(200)
    const { signatures, ...said } = JSON.parse(body.toString()) as { signatures: string[] }
    expect(said).toEqual(JSON.parse(signed))
    expect(signatures).toEqual([good, expect.stringMatching(/^depot-/)])
    expect(parsePublicKey(world.publicKey).verify(signed, signatures[1] ?? '')).toBe(true)
    expect(await statusOf(DOI.replace('!out', '!dev'))).toBe(404)
  })

  it('is none when its path is not valid, or its files are gone', async () => {
    const [invalid, gone] = [await addFolder('invalid'), await addFolder('gone')]
    enter(`sha256:${'c'.repeat(64)}`, invalid)
    enter(`sha256:${'d'.repeat(64)}`, gone)
    const ask = async () => [
      await statusOf(DOI.replaceAll('a'.repeat(64), 'c'.repeat(64))),
      await statusOf(DOI.replaceAll('a'.repeat(64), 'd'.repeat(64))),
    ]
    expect(await ask()).toEqual([200, 200])
    store.invalidate(invalid.baseName)
    await rm(gone.file, { recursive: true })
    expect(await ask()).toEqual([404, 404])
  })

  it('is known by its derivation in a store of a newer Nix', async () => {
    const [out, lost] = [await addFolder('newer'), await addFolder('lost')]
    const trace = `/nix/build-trace-v2/${DRV}`
    expect(await statusOf(`${trace}/out.doi`)).toBe(404)
    store.database.exec(BUILD_TRACE_SCHEMA)
    const enterTrace = store.database.prepare(
      'insert into BuildTraceV3 (drvPath, outputName, outputPath) values (?, ?, ?)',
    )
    enterTrace.run(DRV, 'out', `/nix/store/${out.baseName}`)
    enterTrace.run(DRV, 'lost', `/nix/store/${lost.baseName}`)
    store.invalidate(lost.baseName)
    const { body } = await get(`${trace}/out.doi`)
    expect(JSON.parse(body.toString())).toMatchObject({
      outPath: out.baseName,
      signatures: [{ keyName: expect.stringMatching(/^depot-/) as unknown }],
    })
    expect(await statusOf(`${trace}/lost.doi`)).toBe(404)
  })

  it('gives way to what was pushed', async () => {
    const local = await addFolder('local')
    const id = `sha256:${'e'.repeat(64)}`
    enter(id, local)
    const path = DOI.replace(ID, id)
    const outPath = `${'9'.repeat(32)}-pushed`
    const said = { id: `${id}!out`, outPath, dependentRealisations: {}, signatures: [] }
    expect(await put(world, path, JSON.stringify(said))).toMatchObject({ status: 201 })
    expect(JSON.parse((await get(path)).body.toString())).toMatchObject({ outPath })
    expect(world.bugs).toEqual([])
  })
})

describe('what a depot tells of its paths', () => {
  it('is what was pushed, and nothing of the local store', async () => {
    const added = await addFolder('listed')
    expect([await statusOf(added.narinfoPath), await statusOf(`/nix/-/paths/${added.storeHash}`)]).toEqual([200, 404])
    expect((await get('/nix/-/paths?limit=1000')).body.toString()).not.toContain(added.baseName)
  })
})

async function mkfifo(file: string): Promise<void> {
  await promisify(execFile)('mkfifo', [file])
}
