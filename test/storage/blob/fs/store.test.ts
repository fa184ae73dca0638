import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import process from 'node:process'

import { describe, expect, it } from 'vitest'

import { blobLocation } from '../../../../src/blobs/blob-location.ts'
import type { BlobStore } from '../../../../src/blobs/blob-store.ts'
import { LIMITS } from '../../../../src/limits.ts'
import { openFsBlobStore } from '../../../../storage/blob/fs/store.ts'
import { describeBlobStore } from '../../../conformance/blob-store.ts'
import { describeWith, have } from '../../../helpers/have.ts'
import { smallVolume } from '../../../helpers/small-volume.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

describeBlobStore('fs', async () => {
  const dir = await tempDir('fs-blobs')
  const store = await openFsBlobStore({ root: dir.path })
  return {
    store,
    leftovers: () => readdir(dir.join('tmp')),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
})

const LOCATION = blobLocation('main', 'ab'.repeat(32))

describe('fs blob store on its disk', () => {
  it('keeps a blob at its location below the root, for reading only', async () => {
    await using dir = await tempDir()
    await using store = await openFsBlobStore({ root: dir.path })
    await publish(store, 'x')
    const { mode } = await stat(dir.join(LOCATION))
    expect(mode & 0o222).toBe(0)
    expect(await readdir(dir.path)).toEqual(['main', 'tmp'])
  })

  it('still holds what another instance published', async () => {
    await using dir = await tempDir()
    {
      await using store = await openFsBlobStore({ root: dir.path })
      await publish(store, 'kept')
    }
    await using store = await openFsBlobStore({ root: dir.path })
    expect(await store.stat(LOCATION)).toEqual({ sizeBytes: 4 })
  })

  it('publishes although somebody removed the directories it had made', async () => {
    await using dir = await tempDir()
    await using store = await openFsBlobStore({ root: dir.path })
    await publish(store, 'x')
    await rm(dir.join('main'), { recursive: true })
    await publish(store, 'again')
    expect(await store.stat(LOCATION)).toEqual({ sizeBytes: 5 })
  })

  it('passes over strange files when it lists', async () => {
    await using dir = await tempDir()
    await using store = await openFsBlobStore({ root: dir.path })
    await publish(store, 'x')
    await writeFile(dir.join('README'), 'hello')
    await writeFile(dir.join('main/sha256/ab/ab/note.txt'), 'hello')
    await mkdir(dir.join('main/sha256/ab/ab', 'ab'.repeat(31) + 'ff'))
    await mkdir(dir.join('main/sha256/zz/zz'), { recursive: true })
    expect(await Array.fromAsync(store.list(''))).toEqual([LOCATION])
  })

  it('says STORAGE_DOWN, with the cause, when the system refuses', async () => {
    await using dir = await tempDir()
    await using store = await openFsBlobStore({ root: dir.path })
    await writeFile(dir.join('main'), 'a file where a directory belongs')
    await expect(store.open(LOCATION)).rejects.toMatchObject({ code: 'STORAGE_DOWN', cause: { code: 'ENOTDIR' } })
    await using staged = await store.stage()
    await expect(staged.publish(LOCATION)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
  })

  it('tells that its folder has gone, and that it is back', async () => {
    await using dir = await tempDir()
    await using store = await openFsBlobStore({ root: dir.join('blobs') })
    await rename(dir.join('blobs'), dir.join('elsewhere'))
    await expect(store.ping?.()).rejects.toMatchObject({ code: 'STORAGE_DOWN', cause: { code: 'ENOENT' } })
    await rename(dir.join('elsewhere'), dir.join('blobs'))
    await store.ping?.()
  })

  it('says STORAGE_DOWN when its directory cannot be made', async () => {
    await using dir = await tempDir()
    await writeFile(dir.join('file'), '')
    await expect(openFsBlobStore({ root: dir.join('file/below') })).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
  })
})

describe('staged files that were left behind', () => {
  it('are removed at the next start when their process is dead, and kept while it lives', async () => {
    await using dir = await tempDir()
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const exit = once(child, 'exit')
    const name = `${await ownPlace()}-${child.pid}-0123456789abcdef-0`
    await mkdir(dir.join('tmp'))
    await writeFile(dir.join('tmp', name), 'half')
    await (await openFsBlobStore({ root: dir.path }))[Symbol.asyncDispose]()
    expect(await readdir(dir.join('tmp'))).toEqual([name])
    child.kill('SIGKILL')
    await exit
    await (await openFsBlobStore({ root: dir.path }))[Symbol.asyncDispose]()
    expect(await readdir(dir.join('tmp'))).toEqual([])
  })

  it('of our own process number are removed unless their store is open here: a container always is number 1', async () => {
    await using dir = await tempDir()
    await using first = await openFsBlobStore({ root: dir.path })
    await using staged = await first.stage()
    await staged.write(new Uint8Array(10))
    await writeFile(dir.join('tmp', `${await ownPlace()}-${process.pid}-0123456789abcdef-7`), 'of the container before')
    await using second = await openFsBlobStore({ root: dir.path })
    expect(await readdir(dir.join('tmp'))).toHaveLength(1)
    await staged.publish(LOCATION)
    expect(await second.stat(LOCATION)).toEqual({ sizeBytes: 10 })
  })

  it.each(['fedcba9876543210-', ''])(
    'of another host or container (%j) are kept although no such process lives here, until nobody has written to them for an hour',
    async (place) => {
      await using dir = await tempDir()
      await mkdir(dir.join('tmp'))
      // No system gives out so large a number.
      const names = ['0', '1'].map((number) => `${place}4294967295-0123456789abcdef-${number}`)
      for (const name of names) await writeFile(dir.join('tmp', name), 'half')
      // The system dates files by a clock that is some milliseconds late.
      const long = (Date.now() - LIMITS.stagedElsewhereMs) / 1000 - 1
      await utimes(dir.join('tmp', names[1] ?? ''), long, long)
      await using store = await openFsBlobStore({ root: dir.path })
      expect(await Array.fromAsync(store.list(''))).toEqual([])
      expect(await readdir(dir.join('tmp'))).toEqual(names.slice(0, 1))
    },
  )

  it('with names that are not ours stay: they may be somebody’s', async () => {
    await using dir = await tempDir()
    await mkdir(dir.join('tmp'))
    await writeFile(dir.join('tmp', 'notes.txt'), '')
    await using store = await openFsBlobStore({ root: dir.path })
    expect(await Array.fromAsync(store.list(''))).toEqual([])
    expect(await readdir(dir.join('tmp'))).toEqual(['notes.txt'])
  })
})

describeWith('netns', 'fs blob store that two containers share', () => {
  it('leaves to each what it has staged, although neither has a process of the other one’s number', async () => {
    await using dir = await tempDir()
    await using store = await openFsBlobStore({ root: dir.path })
    await using staged = await store.stage()
    await staged.write(new Uint8Array(10))
    const other = blobLocation('main', 'cd'.repeat(32))
    const program = [process.execPath, 'test/fixtures/publish-one.ts', dir.path, other]
    execFileSync(have.paths.netns, ['--pid', '--fork', '--mount-proc', ...program])
    expect(await store.stat(other)).toEqual({ sizeBytes: 1000 })
    await staged.publish(LOCATION)
    expect(await store.stat(LOCATION)).toEqual({ sizeBytes: 10 })
  })
})

/** How this process's staged files begin. */
async function ownPlace(): Promise<string> {
  await using dir = await tempDir()
  await using store = await openFsBlobStore({ root: dir.path })
  await using _staged = await store.stage()
  return (await readdir(dir.join('tmp')))[0]?.split('-')[0] ?? ''
}

describeWith('tmpfs', 'fs blob store on a full disk', () => {
  it('says STORAGE_FULL, cleans up, and takes uploads again when there is room', async () => {
    await using dir = await tempDir()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir.path])
    try {
      await using store = await openFsBlobStore({ root: dir.path })
      await expect(publishBytes(store, 4 * LIMITS.writeBufferBytes + 5)).rejects.toMatchObject({ code: 'STORAGE_FULL' })
      await expect(publishBytes(store, 2 * 1024 * 1024)).rejects.toMatchObject({ code: 'STORAGE_FULL' })
      expect(await readdir(dir.join('tmp'))).toEqual([])
      await publishBytes(store, 1000)
      expect(await store.stat(LOCATION)).toEqual({ sizeBytes: 1000 })
    } finally {
      execFileSync('umount', [dir.path])
    }
  })

  it('says STORAGE_DOWN on a read-only file system and goes on reading', async () => {
    await using dir = await tempDir()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir.path])
    try {
      await using store = await openFsBlobStore({ root: dir.path })
      await publish(store, 'readable')
      execFileSync('mount', ['-o', 'remount,ro', dir.path])
      await expect(store.stage()).rejects.toMatchObject({ code: 'STORAGE_DOWN', cause: { code: 'EROFS' } })
      await expect(store.delete(LOCATION)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
      expect(store.readInline?.(LOCATION, 8)).toHaveLength(8)
    } finally {
      execFileSync('umount', [dir.path])
    }
  })
})

describeWith('strace', 'fs blob store under a tracer', () => {
  const script = new URL('../../../fixtures/publish-one.ts', import.meta.url).pathname

  it('syncs the file and each new directory’s parent, renames, and then syncs the directory', async () => {
    await using dir = await tempDir()
    const filter = ['-f', '-y', '-e', 'trace=rename,renameat,renameat2,fsync,fdatasync,mkdir']
    execFileSync('strace', [...filter, '-o', dir.join('trace'), process.execPath, script, dir.join('store'), LOCATION])
    const steps = stepsBelow(dir.join('store'), await readFile(dir.join('trace'), 'utf8'))
    expect(steps.slice(steps.indexOf('fdatasync tmp/*'))).toEqual([
      'fdatasync tmp/*',
      'mkdir main',
      'fsync .',
      'mkdir main/sha256',
      'fsync main',
      'mkdir main/sha256/ab',
      'fsync main/sha256',
      'mkdir main/sha256/ab/ab',
      'fsync main/sha256/ab',
      'rename tmp/*',
      'fsync main/sha256/ab/ab',
    ])
  })

  it.each(['fdatasync', 'fsync'])(
    'says STORAGE_DOWN when the disk fails in %s, and leaves nothing staged',
    async (call) => {
      await using dir = await tempDir()
      await mkdir(dir.join('store'))
      const inject = ['-f', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:error=EIO:when=1`]
      const run = spawnSync('strace', [...inject, process.execPath, script, dir.join('store'), LOCATION], {
        env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
        encoding: 'utf8',
      })
      expect(run.status).toBe(1)
      expect(run.stderr).toContain("code: 'STORAGE_DOWN'")
      expect(await readdir(dir.join('store/tmp'))).toEqual([])
    },
  )
})

describeWith('tmpfs', 'bytes on their way to a volume that fills up', () => {
  it.each([60_001, 300_000, 65_536])('can all be read back, written in pieces of %d bytes', async (pieceBytes) => {
    await using volume = await smallVolume(8)
    await using store = await openFsBlobStore({ root: volume.join('blobs') })
    await using staged = await store.stage()
    const pieces: Buffer[] = []
    await expect(
      (async () => {
        for (;;) {
          const piece = randomBytes(pieceBytes)
          await staged.write(piece)
          pieces.push(piece)
        }
      })(),
    ).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    const written = Buffer.concat(pieces)
    const parts: Uint8Array[] = []
    for (let start = 0; start < written.byteLength; start += 1_000_000)
      parts.push(await staged.read({ start, end: Math.min(start + 1_000_000, written.byteLength) }))
    expect(Buffer.concat(parts).equals(written)).toBe(true)
  })
})

/** What a trace says was done below `root`, in order; a staged file is `tmp/*`. */
function stepsBelow(root: string, trace: string): string[] {
  const calls = trace.matchAll(/^\d+ +(?<call>\w+)\((?:\d+<|")(?<path>[^">]+)/gm)
  return [...calls].flatMap(({ groups }) => {
    const path = groups?.['path'] ?? ''
    if (path !== root && !path.startsWith(`${root}/`)) return []
    return [`${groups?.['call']} ${(path.slice(root.length + 1) || '.').replace(/^tmp\/.+/, 'tmp/*')}`]
  })
}

async function publish(store: BlobStore, value: string): Promise<void> {
  await using staged = await store.stage()
  await staged.write(Buffer.from(value))
  await staged.publish(LOCATION)
}

async function publishBytes(store: BlobStore, sizeBytes: number): Promise<void> {
  await using staged = await store.stage()
  for (let left = sizeBytes; left > 0; left -= 1000) await staged.write(new Uint8Array(Math.min(left, 1000)))
  await staged.publish(LOCATION)
}
