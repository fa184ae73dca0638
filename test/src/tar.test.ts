import { once } from 'node:events'
import { finished } from 'node:stream/promises'

import { expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { readTar } from '../../src/tar.ts'
import { inPieces } from '../helpers/depot.ts'
import { type ArchiveFile, tar } from '../helpers/wheel.ts'

/** The names in an archive that arrives in pieces. @throws what the reader does */
async function namesIn(files: readonly ArchiveFile[]): Promise<string[]> {
  const reader = readTar()
  const names: string[] = []
  reader.on('entry', (header, entry, next) => {
    names.push(header.name)
    entry.on('end', next).resume()
  })
  const end = finished(reader)
  end.catch(() => {})
  for await (const piece of inPieces(tar(files))) {
    if (!reader.write(piece)) await Promise.race([end, once(reader, 'drain')])
  }
  reader.end(undefined)
  await end
  return names
}

const long = (length: number): ArchiveFile => ({ name: 'long', type: 'L', content: 'n'.repeat(length) })
const FILE: ArchiveFile = { name: 'file', content: 'x' }

it('reads names as long as may be, and refuses longer ones before they are in memory', async () => {
  expect(await namesIn([long(LIMITS.tarHeaderBytesMax), FILE])).toEqual(['n'.repeat(LIMITS.tarHeaderBytesMax)])
  for (const type of ['L', 'K', 'x', 'g']) {
    const tooLong = { ...long(LIMITS.tarHeaderBytesMax + 1), type }
    await expect(namesIn([tooLong, FILE])).rejects.toThrow('the headers of the archive are too long')
  }
})

it('refuses long names that are too many together', async () => {
  const count = LIMITS.tarHeadersBytesMax / LIMITS.tarHeaderBytesMax
  const many = Array.from({ length: count }, () => [long(LIMITS.tarHeaderBytesMax), FILE]).flat()
  expect(await namesIn(many)).toHaveLength(count)
  await expect(namesIn([...many, long(1), FILE])).rejects.toThrow('the headers of the archive are too long')
})
