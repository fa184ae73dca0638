import { createHash } from 'node:crypto'

import { expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { MAIN_CACHE } from '../../src/kv-store.ts'
import { sha256Hex } from '../helpers/nar.ts'
import { nixUpload } from '../helpers/nix-upload.ts'
import { publish } from '../helpers/npm-world.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { startWorld } from '../helpers/world.ts'

async function inventory(url: string): Promise<string[]> {
  const { status, stdout, stderr } = await runDepot(['inventory', url])
  expect([status, stderr]).toEqual([0, ''])
  const [head, ...digests] = stdout.trimEnd().split('\n')
  expect(head).toBe('# depot-inventory/1')
  return digests
}

it('tells the digests of what a depot holds, and not of what is damaged or only half there', async () => {
  await using world = await startWorld()
  const upload = await nixUpload('a path')
  const alone = await nixUpload('an archive without its narinfo')
  const wheel = buildWheel({ name: 'greeting', version: '1.0' })
  const other = buildWheel({ name: 'greeting', version: '2.0' })
  for (const file of [wheel, other]) await postForm(world.url, uploadForm(file))
  for (const { fileName, body } of [upload, alone]) await world.fetch(`/nix/nar/${fileName}`, { method: 'PUT', body })
  await world.fetch(`/nix/${upload.storeHash}.narinfo`, { method: 'PUT', body: upload.narinfo() })
  await publish(world, { name: 'button', version: '1.0.0' })
  const tarball = new Uint8Array(await (await world.fetch('/npm/button/-/button-1.0.0.tgz')).arrayBuffer())
  await world.depot.kv.setBlobState('main', sha256Hex(other.bytes), 'quarantined')
  const digests = await inventory(world.url)
  const held = [tarball, upload.nar, wheel.bytes].map((bytes) => sha256Hex(bytes))
  expect(digests).toEqual(expect.arrayContaining(held))
  expect(digests).toEqual(digests.toSorted())
  for (const bytes of [other.bytes, alone.nar]) expect(digests).not.toContain(sha256Hex(bytes))
})

it('tells them all when they are more than fit on a page, each once', async () => {
  await using world = await startWorld()
  const wheel = buildWheel({ name: 'greeting', version: '1.0' })
  await postForm(world.url, uploadForm(wheel))
  const digest = sha256Hex(wheel.bytes)
  const row = await world.depot.kv.blob('main', digest)
  if (row === undefined) throw new Error('the wheel is not there')
  const count = LIMITS.inventoryPageMax + 10
  const digests = Array.from({ length: count }, (_, index) => createHash('sha256').update(String(index)).digest('hex'))
  for (let at = 0; at < count; at += 1000) {
    const some = digests.slice(at, at + 1000)
    const puts = some.map((one) => ({ kind: 'python-file', key: `many/${one}`, value: '{}', refs: [one, digest] }))
    await world.depot.commit(MAIN_CACHE, { puts, blobs: some.map((one) => ({ ...row, digest: one })) })
  }
  const listed = await inventory(world.url)
  expect(listed).toEqual([...new Set(listed)].toSorted())
  expect(listed).toEqual(expect.arrayContaining([...digests, digest]))
})
