import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'

import { afterEach, describe, expect, it, vi } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { openFsBlobStore } from '../../../storage/blob/fs/store.ts'
import { openSpool } from '../../../storage/blob/s3/spool.ts'
import { tempDir, type TempDir } from '../../helpers/temp-dir.ts'

// No system gives out so large a number.
const OF_ANOTHER_HOST = 'fedcba9876543210-4294967295-0123456789abcdef-0'

const OPENED: readonly [string, (dir: TempDir) => Promise<Disposable | AsyncDisposable>][] = [
  ['an fs blob store', (dir) => openFsBlobStore({ root: dir.path })],
  ['the folder where uploads to a bucket wait', (dir) => openSpool(dir.join('tmp'), { existing: false })],
]

describe.each(OPENED)('%s', (_title, open) => {
  afterEach(() => void vi.useRealTimers())

  it('is rid of what another host or container left as soon as that shows, which is while it is open', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    await using dir = await tempDir('leftovers')
    await mkdir(dir.join('tmp'))
    await writeFile(dir.join('tmp', OF_ANOTHER_HOST), 'half')
    await using _opened = await open(dir)
    expect(await readdir(dir.join('tmp'))).toEqual([OF_ANOTHER_HOST])
    // The system dates files by a clock that is some milliseconds late.
    const long = (Date.now() - LIMITS.stagedElsewhereMs) / 1000 - 1
    await utimes(dir.join('tmp', OF_ANOTHER_HOST), long, long)
    vi.advanceTimersByTime(LIMITS.stagedElsewhereMs)
    await expect.poll(() => readdir(dir.join('tmp'))).toEqual([])
  })

  it('leaves alone what another host writes at this moment, whatever the clock here says', async () => {
    await using dir = await tempDir('leftovers')
    await mkdir(dir.join('tmp'))
    await writeFile(dir.join('tmp', OF_ANOTHER_HOST), 'half')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 24 * LIMITS.stagedElsewhereMs })
    await using _opened = await open(dir)
    expect(await readdir(dir.join('tmp'))).toEqual([OF_ANOTHER_HOST])
  })
})
