import { existsSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { openSpool } from '../../../../storage/blob/s3/spool.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

describe('the folder where uploads wait', () => {
  it('is made for the first of them by who only looks, and for nobody else to look into', async () => {
    await using dir = await tempDir('spool')
    const folder = dir.join('data', 'tmp')
    using spool = await openSpool(folder, { existing: true })
    expect(existsSync(folder)).toBe(false)
    {
      await using file = await spool.create()
      await file.write(Buffer.from('half'))
      expect(await file.sizeBytes()).toBe(4)
      expect((await stat(folder)).mode & 0o777).toBe(0o700)
    }
    expect(await readdir(folder)).toEqual([])
  })

  it('is made anew when somebody has removed it', async () => {
    await using dir = await tempDir('spool')
    using spool = await openSpool(dir.join('tmp'), { existing: false })
    await rm(dir.join('tmp'), { recursive: true })
    await using file = await spool.create()
    await file.write(Buffer.from('whole'))
    // What is on its way needs no name.
    await rm(dir.join('tmp'), { recursive: true })
    expect(Buffer.from(await file.read({ start: 0, end: 5 })).toString()).toBe('whole')
  })
})
