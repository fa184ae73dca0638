import { createHash } from 'node:crypto'
import path from 'node:path'

import type { BlobRow, KvStore, RecordPut } from '../../src/kv-store.ts'
import { openKv } from '../../storage/open.ts'
import { manifestOf } from './npm-storage.ts'

/** Records of a store path, a package of one version and a project of one file: path; package, version; project, file. */
export const RECORDS_EACH = 5
const AT_ONCE = 500
const TIME = '2026-01-01T00:00:00.000Z'

/** Hash of the store path with this number: digits are letters of Nix's base 32, too. */
export function scaleHash(index: number): string {
  return String(index).padStart(32, '0')
}

/** Name of the package and of the project with this number. */
export function scaleName(index: number): string {
  return `scale-${String(index).padStart(7, '0')}`
}

/** Fill the database of a depot that does not run with so many records, as uploads would have left them; the files themselves are not there. */
export async function fillScale(dataDir: string, records: number): Promise<void> {
  await using kv = await openKv({ databaseUrl: `sqlite://${path.join(dataDir, 'depot.db')}` })
  const count = records / RECORDS_EACH
  let before: Promise<void> = Promise.resolve()
  for (let start = 0; start < count; start += AT_ONCE) {
    const next = commit(kv, start, Math.min(count, start + AT_ONCE))
    // One is written while the next is made.
    await before
    before = next
  }
  await before
  const list = { kind: 'python-list', key: 'simple', value: '{"name":"simple"}' }
  await kv.commit({ cache: 1, puts: [list] })
}

function commit(kv: KvStore, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index)
  const digests = numbers.map((index) => createHash('sha256').update(scaleName(index)).digest('hex'))
  const puts = numbers.flatMap((index, at) => recordsOf(index, digests[at] ?? ''))
  return kv.commit({ cache: 1, puts, blobs: digests.map(blobOf) })
}

function recordsOf(index: number, digest: string): readonly RecordPut[] {
  const name = scaleName(index)
  const refs = [digest]
  const narinfo = { narHash: digest, narSizeBytes: 10_000, references: [], signatures: [], since: 1 }
  const manifest = {
    ...manifestOf({ name, versions: 1, developmentDependencies: 12 }, '1.0.0'),
    dist: { shasum: digest.slice(0, 40), integrity: `sha512-${'c'.repeat(86)}==` },
  }
  const times = { '1.0.0': TIME }
  const record = { tags: { latest: '1.0.0' }, created: TIME, modified: TIME, times, fields: {} }
  const filename = `${name.replace('-', '_')}-1.0.0-py3-none-any.whl`
  const file = { filename, version: '1.0.0', sha256: digest, sizeBytes: 10_000, uploadTime: TIME, yanked: false }
  const put = (kind: string, key: string, value: object): RecordPut => ({ kind, key, value: JSON.stringify(value) })
  return [
    { ...put('nix-path', scaleHash(index), { ...narinfo, baseName: `${scaleHash(index)}-scale` }), refs },
    { ...put('npm-version', `${name}@1.0.0`, { digest, manifest }), refs },
    put('npm-package', name, record),
    { ...put('python-file', `${name}/${filename}`, file), refs },
    put('python-project', name, { name }),
  ]
}

function blobOf(digest: string): BlobRow {
  const sizes = { sizeBytes: 10_000, storedBytes: 10_000, storedSha256: digest }
  return {
    domain: 'main',
    digest,
    encoding: 'raw',
    layout: 'whole',
    frames: new Uint8Array(),
    state: 'live',
    store: '',
    ...sizes,
  }
}
