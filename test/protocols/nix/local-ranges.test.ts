import { readdirSync, readlinkSync } from 'node:fs'
import { truncate, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'

import { describe, expect, it, vi } from 'vitest'

import { nixProtocol } from '../../../protocols/nix/index.ts'
import { openNixStore } from '../../../storage/nix-store/open.ts'
import { LIMITS } from '../../../src/limits.ts'
import { testStore, type AddedPath, type TestStore } from '../../helpers/local-store.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const SIZE_BYTES = 60 * 1024 ** 3
/** Much less than all of it takes. */
const DEADLINE_MS = 20_000

/** A path of one file that takes a processor two minutes to hash, and the disk nothing. */
async function addHuge(store: TestStore): Promise<AddedPath> {
  const path = await store.add('huge', (file) => writeFile(file, ''))
  await truncate(path.file, SIZE_BYTES)
  store.database.prepare('update ValidPaths set narSize = ?').run(path.nar.byteLength + SIZE_BYTES)
  return path
}

/** How often this process has the file open. */
function opened(file: string): number {
  const targets = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`)
    } catch {
      return ''
    }
  })
  return targets.filter((target) => target === file).length
}

function ask(world: World, path: string, range: string): Socket {
  const { hostname, port } = new URL(world.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nRange: ${range}\r\n\r\n`)
  return socket
}

describe('a range of an archive that is made while it is sent', () => {
  it.each(['bytes=-1', 'bytes=0-0', 'bytes=5-9'])(
    'is no longer worked at when its reader has gone: %s',
    async (range) => {
      await using store = await testStore()
      const huge = await addHuge(store)
      await using localStore = openNixStore(store.root)
      await using world = await startWorld({ protocols: [nixProtocol({ signingKeys: [], localStore })] })
      const socket = ask(world, huge.narPath, range)
      await vi.waitFor(() => expect(opened(huge.file)).toBe(1), DEADLINE_MS)
      socket.destroy()
      await vi.waitFor(() => expect(opened(huge.file)).toBe(0), DEADLINE_MS)
      expect(world.bugs).toEqual([])
    },
  )

  it('is made for few readers at a time, and all who wait have theirs in turn', async () => {
    await using store = await testStore()
    const huge = await addHuge(store)
    await using localStore = openNixStore(store.root)
    await using world = await startWorld({ protocols: [nixProtocol({ signingKeys: [], localStore })] })
    const sockets = Array.from({ length: 10 }, () => ask(world, huge.narPath, 'bytes=-1'))
    await vi.waitFor(() => expect(opened(huge.file)).toBe(LIMITS.localArchivesPassedAtOnce), DEADLINE_MS)
    expect(opened(huge.file)).toBe(LIMITS.localArchivesPassedAtOnce)
    for (const socket of sockets) socket.destroy()
    await vi.waitFor(() => expect(opened(huge.file)).toBe(0), DEADLINE_MS)

    const small = await store.add('small', (file) => writeFile(file, 'small'))
    const answer = await world.fetch(small.narPath, { headers: { Range: 'bytes=-8' } })
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(small.nar.subarray(-8))
  })
})
