import { appendFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { parseNarinfo } from '../../../protocols/nix/narinfo.ts'
import { fingerprint, parsePublicKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { startGuardedWorld } from '../../helpers/guarded-world.ts'
import { testStore, type AddedPath, type TestRow, type TestStore } from '../../helpers/local-store.ts'
import { nixUpload, PUBLIC, push, put, SECRET } from '../../helpers/nix-upload.ts'
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

const DRV = `${'0'.repeat(32)}-x.drv`
const strange = 'c'.repeat(32)

function addFile(name: string, content: Buffer | string = name, row: Partial<TestRow> = {}): Promise<AddedPath> {
  return store.add(name, (file) => writeFile(file, content), row)
}

function addFolder(name: string): Promise<AddedPath> {
  return store.add(name, async (file) => {
    await mkdir(file)
    await writeFile(`${file}/first`, Buffer.alloc(300_000, 'first'))
    await writeFile(`${file}/second`, Buffer.alloc(300_000, 'second'))
    await symlink('/etc/passwd', `${file}/third`)
  })
}

async function bytesOf(path: string, headers: Record<string, string> = {}) {
  const answer = await world.fetch(path, { headers })
  return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) }
}

const statusOf = async (path: string, method = 'GET'): Promise<number> => {
  const answer = await world.fetch(path, { method })
  await answer.arrayBuffer()
  return answer.status
}

/** What came of an answer that was cut, and the length that it promised. */
async function cutBody(path: string): Promise<{ readonly promised: number; readonly came: number }> {
  const answer = await world.fetch(path)
  expect(answer.status).toBe(200)
  let came = 0
  const read = async (): Promise<void> => {
    for await (const piece of answer.body ?? []) came += (piece as Uint8Array).byteLength
  }
  await expect(read()).rejects.toThrow()
  return { promised: Number(answer.headers.get('content-length')), came }
}

describe('a valid path of the local store', () => {
  it('has a narinfo of what the database says, signed by the depot, with the signatures of trusted keys', async () => {
    const needed = [await addFile('dep'), await addFile('other-dep'), await addFile('third-dep')]
    const references = needed.map(({ baseName }) => baseName).sort()
    const unsigned = await addFile('signed')
    store.invalidate(unsigned.baseName)
    const vouched = { ...unsigned, references, narSizeBytes: unsigned.nar.byteLength }
    const good = parseSecretKey(SECRET).sign(fingerprint(vouched))
    const sigs = `${good} other-1:${'A'.repeat(86)}== not a signature`
    const added = await addFile('signed', 'signed', {
      references: [...references.slice(2), ...references.slice(0, 2)],
      deriver: `/nix/store/${DRV}`,
      sigs,
      ca: `fixed:sha256:${'0'.repeat(52)}`,
    })
    const { status, headers, body } = await bytesOf(added.narinfoPath)
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
      200,
      'text/x-nix-narinfo',
      'max-age=300',
    ])
    const narinfo = parseNarinfo(body.toString())
    expect(narinfo).toMatchObject({
      storePath: { baseName: added.baseName },
      url: added.narPath.slice('/nix/'.length),
      compression: 'none',
      narSizeBytes: added.nar.byteLength,
      references,
      deriver: DRV,
      ca: `fixed:sha256:${'0'.repeat(52)}`,
    })
    expect(narinfo.signatures).toEqual([expect.stringMatching(/^depot-/), good])
    const own = parsePublicKey(world.publicKey)
    expect(own.verify(fingerprint(vouched), narinfo.signatures[0] ?? '')).toBe(true)
    const again = await bytesOf(added.narinfoPath, { 'If-None-Match': headers.get('etag') ?? '' })
    expect([again.status, again.body.byteLength]).toEqual([304, 0])
    expect(await statusOf(added.narinfoPath, 'HEAD')).toBe(200)
    expect((await bytesOf(`/${added.storeHash}.narinfo`)).body).toEqual(body)
  })

  it('has another narinfo as soon as the database says something else', async () => {
    const added = await addFile('changing')
    const before = await bytesOf(added.narinfoPath)
    store.database
      .prepare('update ValidPaths set deriver = ? where path = ?')
      .run(`/nix/store/${DRV}`, `/nix/store/${added.baseName}`)
    expect((await bytesOf(added.narinfoPath)).body.toString()).toContain(`Deriver: ${DRV}`)
    store.invalidate(added.baseName)
    expect([before.status, await statusOf(added.narinfoPath), await statusOf(added.narPath)]).toEqual([200, 404, 404])
  })

  it.each([0, 1, 7, 8, 65_536, 65_537, 1_000_000])(
    'with a file of %i bytes comes as its archive',
    async (sizeBytes) => {
      const added = await addFile(`size-${sizeBytes}`, Buffer.alloc(sizeBytes, 'content '))
      const { status, headers, body } = await bytesOf(added.narPath)
      expect([status, headers.get('content-length'), headers.get('content-type'), headers.get('etag')]).toEqual([
        200,
        String(added.nar.byteLength),
        'application/x-nix-nar',
        expect.stringMatching(/^"[0-9a-f]{64}"$/),
      ])
      expect(body.equals(added.nar)).toBe(true)
    },
  )

  it('comes in ranges and under conditions, and a HEAD reads nothing', async () => {
    const added = await addFolder('ranges')
    const end = added.nar.byteLength
    for (const [from, to] of [
      [0, 1],
      [5, 300_000],
      [299_999, end],
      [end - 1, end],
      [1, end - 1],
    ] as const) {
      const part = await bytesOf(added.narPath, { Range: `bytes=${from}-${to - 1}` })
      expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes ${from}-${to - 1}/${end}`])
      expect(part.body.equals(added.nar.subarray(from, to))).toBe(true)
    }
    expect((await bytesOf(added.narPath, { Range: `bytes=${end}-` })).status).toBe(416)
    const { headers } = await bytesOf(added.narPath)
    expect((await bytesOf(added.narPath, { 'If-None-Match': headers.get('etag') ?? '' })).status).toBe(304)
    // Nothing of the content is looked at: a HEAD is answered where a GET is cut.
    await rm(`${added.file}/second`)
    const head = await world.fetch(added.narPath, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(end)])
  })

  it.each<[string, (added: AddedPath) => Promise<unknown>, string]>([
    ['has other bytes', ({ file }) => writeFile(`${file}/second`, Buffer.alloc(300_000, 'x')), 'has the hash sha256:'],
    ['has one more byte', ({ file }) => appendFile(`${file}/second`, 'x'.repeat(8)), 'longer'],
    ['has less', ({ file }) => writeFile(`${file}/second`, 'x'), 'shorter'],
    ['lacks a file', ({ file }) => rm(`${file}/second`), 'shorter'],
    ['has a file more', ({ file }) => writeFile(`${file}/zzz`, ''), 'longer'],
    ['is a link', ({ file }) => rm(file, { recursive: true }).then(() => symlink('/etc/passwd', file)), 'shorter'],
  ])('that %s is cut before its end, and the log tells of it', async (what, change, reason) => {
    const added = await addFolder(what.replaceAll(' ', '-'))
    await change(added)
    const told = world.cuts.length
    const { promised, came } = await cutBody(added.narPath)
    expect(promised).toBe(added.nar.byteLength)
    expect(came).toBeLessThan(promised)
    // It is told when the files are closed, and the client may see the cut before.
    await expect
      .poll(() => world.cuts.slice(told))
      .toEqual([expect.stringContaining(`/nix/store/${added.baseName} of the local store`)])
    expect(world.cuts.at(-1)).toContain(reason)
  })

  it('is not here when its files are gone', async () => {
    const added = await addFolder('gone')
    await rm(added.file, { recursive: true })
    const asked = { method: 'POST', body: JSON.stringify([added.storeHash]) }
    expect(await (await world.fetch('/nix/-/missing', asked)).json()).toEqual({ missing: [added.storeHash] })
    for (const path of [added.narinfoPath, added.narPath])
      expect([await statusOf(path), await statusOf(path, 'HEAD')]).toEqual([404, 404])
  })

  it('is not missing, may be referred to, and is hidden by what was uploaded', async () => {
    const dep = await addFile('referred')
    const missing = async (...hashes: readonly string[]): Promise<unknown> => {
      const answer = await world.fetch('/nix/-/missing', { method: 'POST', body: JSON.stringify(hashes) })
      return answer.json()
    }
    expect(await missing(dep.storeHash, strange)).toEqual({ missing: [strange] })
    const upload = await nixUpload('refers', { name: 'refers' })
    expect(await put(world, `/nix/nar/${upload.fileName}`, upload.body)).toMatchObject({ status: 201 })
    const lies = upload.narinfo({ References: `${dep.storeHash}-else` })
    expect(await put(world, `/nix/${upload.storeHash}.narinfo`, lies)).toMatchObject({ status: 422 })
    const tells = upload.narinfo({ References: dep.baseName })
    expect(await put(world, `/nix/${upload.storeHash}.narinfo`, tells)).toMatchObject({ status: 201 })

    const stored = await nixUpload('stored', { name: 'stored' })
    await store.add('stored', (file) => writeFile(file, 'local'))
    store.database
      .prepare('update ValidPaths set path = ? where path like ?')
      .run(`/nix/store/${stored.storeHash}-stored`, '%-stored')
    await push(world, stored)
    expect((await bytesOf(`/nix/${stored.storeHash}.narinfo`)).body.toString()).toContain('Compression: zstd')
    const asLocal = await bytesOf(`/nix/nar/${stored.storeHash}-${stored.narHash}.nar`)
    expect(asLocal.body.equals(stored.nar)).toBe(true)
  })

  it('is asked for by its own archive alone, and leaves uploads of the same archive alone', async () => {
    const [one, two] = [await addFile('asked', 'same'), await addFile('other', 'else')]
    expect(await statusOf(`/nix/nar/${one.storeHash}-${two.narHash}.nar`)).toBe(404)
    expect(await statusOf(`/nix/nar/${strange}-${one.narHash}.nar`)).toBe(404)
    // A client that is told 200 here does not send the archive of a path that it is about to upload.
    expect(await statusOf(`/nix/nar/${one.narHash}.nar`, 'HEAD')).toBe(404)
    for (const name of [`${one.storeHash}-${one.narHash}.nar.xz`, `${one.storeHash}-.nar`, `..%2f${one.baseName}`])
      expect(await statusOf(`/nix/nar/${name}`)).toBe(400)
    expect((await world.fetch(one.narPath, { method: 'PUT', body: 'x' })).status).toBe(400)
  })
})

describe('what is not a valid path', () => {
  it('is not here, though it lies in the store', async () => {
    const added = await addFile('invalid')
    store.invalidate(added.baseName)
    expect(await readFile(added.file, 'utf8')).toBe('invalid')
    expect([await statusOf(added.narinfoPath), await statusOf(added.narPath)]).toEqual([404, 404])
  })

  it.each<[string, Partial<TestRow>, string?]>([
    ['a hash of another kind', { hash: `md5:${'0'.repeat(32)}` }],
    ['no size', { narSize: null }],
    ['a size of nothing', { narSize: 0 }],
    ['a content address with a line of its own', { ca: 'text:x\nSig: a:b' }],
    ['a path that leads out', {}, '/../../../etc/passwd'],
    ['a path in another one', {}, '/bin'],
    ['a path with a line of its own', {}, '\nSig: a:b'],
  ])('because the database has %s is not here', async (what, row, suffix) => {
    const added = await addFile(what.replaceAll(' ', '-'), what, row)
    const path = `/nix/store/${added.baseName}`
    store.database.prepare('update ValidPaths set path = ? where path = ?').run(path + (suffix ?? ''), path)
    expect([await statusOf(added.narinfoPath), await statusOf(added.narPath)]).toEqual([404, 404])
  })
})

describe('a depot over a local store', () => {
  it('shows it to those who may read', async () => {
    const added = await addFile('guarded')
    await using guarded = await startGuardedWorld({ reads: 'closed', settings: { 'nix-store': store.root } })
    const ask = async (path: string, token?: string): Promise<number> => {
      const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
      const answer = await guarded.fetch(path, { headers })
      await answer.arrayBuffer()
      return answer.status
    }
    for (const path of [added.narinfoPath, added.narPath]) {
      expect(await ask(path)).toBe(401)
      expect(await ask(path, await guarded.token('npm:read:*'))).not.toBe(200)
      expect(await ask(path, await guarded.token('nix:read:*'))).toBe(200)
    }
    const answer = await guarded.fetch(added.narinfoPath, {
      headers: { Authorization: `Bearer ${await guarded.token('nix:read:*')}` },
    })
    expect(answer.headers.get('cache-control')).toContain('private')
  })

  it('says 503 for what it does not hold itself when the database is lost, and serves all that it holds', async () => {
    await using other = await testStore()
    await using depot = await startWorld({ settings: { 'nix-store': other.root } })
    const upload = await nixUpload('held', { name: 'held' })
    await push(depot, upload)
    await rm(`${other.root}/nix/var/nix/db/db.sqlite`)
    expect((await depot.fetch(`/nix/${strange}.narinfo`)).status).toBe(503)
    expect((await depot.fetch(`/nix/${upload.storeHash}.narinfo`)).status).toBe(200)
    expect((await depot.fetch(`/nix/nar/${upload.fileName}`)).status).toBe(200)
    expect(depot.bugs).toEqual([])
  })
})

describe('all of this', () => {
  it('is no bug to the server', () => {
    expect(world.bugs).toEqual([])
  })
})
