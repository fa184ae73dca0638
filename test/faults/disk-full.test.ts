import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'

import { expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { servesFile, uploadFile } from '../helpers/python-upload.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'
import { fillUp, smallVolume } from '../helpers/small-volume.ts'
import { buildWheel, type BuiltFile } from '../helpers/wheel.ts'

const MIB = 1024 * 1024

describeWith('tmpfs', 'faults/disk-full', () => {
  it.each([
    ['with room for the database but not for the blob', 2 * MIB],
    ['with room for nothing', 0],
  ])(
    'answers 507 %s, goes on reading, and writes again once there is space',
    { timeout: 60_000 },
    async (_name, left) => {
      await using volume = await smallVolume(48)
      const dataDir = volume.join('data')
      await using server = await startServerProcess({ dataDir })
      const before = wheelOf('1.0', 1 * MIB)
      expect(await uploadFile(server.url, before)).toBeLessThan(300)

      await fillUp(volume.path, volume.join('filler'), left)
      const refused = wheelOf('2.0', 8 * MIB)
      expect(await uploadFile(server.url, refused)).toBe(507)
      expect(await uploadFile(server.url, refused)).toBe(507)
      expect(await servesFile(server.url, 'full', before)).toBe(true)
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
      expect(await listed(server)).toEqual([before.filename])

      await rm(volume.join('filler'))
      expect(await uploadFile(server.url, refused)).toBeLessThan(300)
      expect(await servesFile(server.url, 'full', refused)).toBe(true)
      expect(await listed(server)).toEqual([before.filename, refused.filename])
      expect(await server.stop()).toBe(0)
      expect((await runDepot(['fsck', '--full', '--store-path', dataDir])).status).toBe(0)
    },
  )
})

function wheelOf(version: string, sizeBytes: number): BuiltFile {
  return buildWheel({ name: 'full', version, extra: [{ name: 'data', content: randomBytes(sizeBytes) }] })
}

async function listed(server: ServerProcess): Promise<string[]> {
  const response = await fetch(`${server.url}/python/simple/full/`, {
    headers: { Accept: 'application/vnd.pypi.simple.v1+json' },
  })
  const page = (await response.json()) as { files: { filename: string }[] }
  return page.files.map(({ filename }) => filename)
}
