import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { compress } from '../../helpers/compress.ts'
import { nixUpload, put, startNixWorld } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

const memberOf = (id: string): string => `lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`
const infoOf = (id: string, file: string): string => JSON.stringify({ archive: `../nar/${file}`, member: memberOf(id) })

describe('debug information', () => {
  let world: World
  beforeAll(async () => {
    world = await startNixWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it.each(['', '/nix'])('is there once its archive is, at "%s", with and without .debug', async (mount) => {
    const id = (mount === '' ? 'a' : 'b').repeat(40)
    const upload = await nixUpload(`debug ${mount}`)
    const path = `${mount}/debuginfo/${id}`
    expect((await put(world, `${path}.debug`, infoOf(id, upload.fileName))).status).toBe(201)
    for (const method of ['GET', 'HEAD']) expect((await world.fetch(path, { method })).status).toBe(404)
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    for (const name of [path, `${path}.debug`]) {
      const answer = await world.fetch(name)
      expect(answer.headers.get('content-type')).toBe('application/json')
      const info = (await answer.json()) as { archive: string }
      expect(info).toEqual({ archive: `../nar/${upload.fileName}`, member: memberOf(id) })
      expect((await fetch(new URL(info.archive, answer.url))).status).toBe(200)
      expect((await world.fetch(name, { method: 'HEAD' })).headers.get('content-length')).toBe(
        answer.headers.get('content-length'),
      )
    }
  })

  it('of an archive that came as bzip2 names it as it is to be had', async () => {
    const id = 'c'.repeat(40)
    const upload = await nixUpload('debug', { codec: 'bzip2' })
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    await put(world, `/nix/debuginfo/${id}`, infoOf(id, upload.fileName))
    expect(await (await world.fetch(`/nix/debuginfo/${id}`)).json()).toMatchObject({
      archive: `../nar/${upload.narHash}.nar`,
    })
  })

  it('stays as it was first said, for as long as its archive is here', async () => {
    const id = 'd'.repeat(40)
    const path = `/nix/debuginfo/${id}`
    const [never, one, two] = await Promise.all(['never', 'one', 'two'].map((content) => nixUpload(content)))
    if (never === undefined || one === undefined || two === undefined) throw new Error('three uploads')
    for (const { fileName, body } of [one, two]) await put(world, `/nix/nar/${fileName}`, body)
    expect((await put(world, path, infoOf(id, never.fileName))).status).toBe(201)
    const packed = await compress('zstd', Buffer.from(infoOf(id, one.fileName)))
    expect((await put(world, path, packed, { 'Content-Encoding': 'zstd' })).status).toBe(201)
    expect((await put(world, path, infoOf(id, two.fileName))).status).toBe(200)
    expect((await put(world, path, infoOf(id, one.fileName))).status).toBe(200)
    expect(await (await world.fetch(path)).text()).toBe(infoOf(id, one.fileName))
  })

  const id = 'e'.repeat(40)
  const file = `${'0'.repeat(52)}.nar.xz`
  it.each<[what: string, body: string]>([
    ['points elsewhere', JSON.stringify({ archive: 'https://example.org/x.nar', member: memberOf(id) })],
    ['points above the archives', JSON.stringify({ archive: `../../nar/${file}`, member: memberOf(id) })],
    ['points beside the archives', JSON.stringify({ archive: `../nar/../${file}`, member: memberOf(id) })],
    ['points to no archive', JSON.stringify({ archive: '../nar/x', member: memberOf(id) })],
    ['has no member', JSON.stringify({ archive: `../nar/${file}` })],
    ['has another member', infoOf('f'.repeat(40), file)],
    ['has a member elsewhere', JSON.stringify({ archive: `../nar/${file}`, member: '/etc/passwd' })],
    ['is a list', '[]'],
    ['is no JSON', 'x'],
    ['is empty', ''],
  ])('that %s is refused', async (_, body) => {
    expect((await put(world, `/nix/debuginfo/${id}`, body)).status).toBe(400)
    expect((await world.fetch(`/nix/debuginfo/${id}`)).status).toBe(404)
  })

  it.each(['x', 'E'.repeat(40), 'e'.repeat(39), `${'e'.repeat(40)}.DEBUG`, `..%2f${'e'.repeat(40)}`])(
    'of %s is refused',
    async (name) => {
      expect((await put(world, `/nix/debuginfo/${name}`, infoOf(id, file))).status).toBe(400)
      expect((await world.fetch(`/nix/debuginfo/${name}`)).status).toBe(400)
    },
  )

  it('that is too long is refused', async () => {
    expect((await put(world, `/nix/debuginfo/${id}`, `${infoOf(id, file)}${' '.repeat(5000)}`)).status).toBe(413)
  })

  it('ends in no bug, whatever came', () => {
    expect(world.bugs).toEqual([])
  })
})
