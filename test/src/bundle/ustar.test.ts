import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { entryBytes, paddingBytes, sizeInHeader, tarHeader, TRAILER_BYTES } from '../../../src/bundle/ustar.ts'
import { readTar } from '../../../src/tar.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const GIB = 2 ** 30
const NAME = `blobs/sha256/${'a'.repeat(64)}`

describe('the header of a file in a bundle', () => {
  it('is read by other programs, also for what is larger than the old format knows', async () => {
    await using dir = await tempDir()
    for (const sizeBytes of [0, 1, 511, 512, 8 * GIB - 1, 8 * GIB, 64 * GIB]) {
      const file = dir.join('sparse.tar')
      await using handle = await open(file, 'w')
      await handle.write(tarHeader(NAME, sizeBytes))
      await handle.truncate(entryBytes(sizeBytes) + TRAILER_BYTES)
      const { stdout } = await promisify(execFile)('tar', ['tvf', file])
      expect(stdout.trim().split(/\s+/)).toEqual(['-rw-r--r--', '0/0', String(sizeBytes), '1970-01-01', '00:00', NAME])
    }
  })

  it('is what our own reader of tar archives takes it for', async () => {
    const tar = readTar()
    tar.end(Buffer.concat([tarHeader('manifest.json', 5), Buffer.from('hello'), Buffer.alloc(507 + TRAILER_BYTES)]))
    for await (const entry of tar) {
      expect(entry.header).toMatchObject({ name: 'manifest.json', size: 5, type: 'file', mode: 0o644 })
      entry.resume()
    }
  })

  it('tells its size to whoever looks for its name', () => {
    expect(sizeInHeader(tarHeader('manifest.json', 1234), 'manifest.json')).toBe(1234)
    expect(sizeInHeader(tarHeader('manifest.json', 1234), 'manifest.json.sig')).toBeUndefined()
    expect(sizeInHeader(Buffer.alloc(512), 'manifest.json')).toBeUndefined()
  })

  it('is not taken from another program: what differs may mean anything', () => {
    for (const at of [0, 101, 110, 118, 137, 149, 156, 200, 257, 264, 300, 400, 511]) {
      const header = Buffer.from(tarHeader('manifest.json', 1234))
      header[at] = (header[at] ?? 0) ^ 1
      const read = (): unknown => sizeInHeader(header, 'manifest.json')
      if (at === 0) expect(read()).toBeUndefined()
      else expect(read).toThrow('unpack it into a folder')
    }
  })

  it('counts the zeros that fill the last block', () => {
    expect([0, 1, 511, 512, 513].map(paddingBytes)).toEqual([0, 511, 1, 0, 511])
  })
})
