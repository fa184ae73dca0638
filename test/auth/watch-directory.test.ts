import { mkdir, rename, rm, writeFile } from 'node:fs/promises'

import { describe, expect, it, vi } from 'vitest'

import { watchDirectory } from '../../auth/watch-directory.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const DEADLINE_MS = 30_000

describe('watchDirectory', () => {
  it('tells the names of what changes', async () => {
    await using directory = await tempDir('watch')
    const names = new Set<string | undefined>()
    using _watch = watchDirectory(directory.path, (name) => names.add(name))
    await writeFile(directory.join('one'), '')
    await rename(directory.join('one'), directory.join('two'))
    await vi.waitFor(() => expect([...names]).toEqual(['one', 'two']), DEADLINE_MS)
  })

  it('goes on with the directory that took the place of the first, and with one that was not there, when it is renewed', async () => {
    await using directory = await tempDir('watch')
    const names = new Set<string | undefined>()
    const etc = directory.join('etc')
    using watch = watchDirectory(etc, (name) => names.add(name))
    for (const name of ['one', 'two', 'three']) {
      await mkdir(etc)
      watch.renew()
      await writeFile(directory.join('etc', name), '')
      await vi.waitFor(() => expect(names.has(name)).toBe(true), DEADLINE_MS)
      await (name === 'one' ? rename(etc, directory.join('old')) : rm(etc, { recursive: true }))
      if (name === 'two') watch.renew()
    }
  })

  it('tells nothing more once it is disposed', async () => {
    await using directory = await tempDir('watch')
    const told = vi.fn<(name: string | undefined) => void>()
    watchDirectory(directory.path, told)[Symbol.dispose]()
    await writeFile(directory.join('one'), '')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(told).not.toHaveBeenCalled()
  })
})
