import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { execFileSync } from 'node:child_process'

import { median, output, roundsOf } from './load.ts'
import { nix32 } from '../helpers/nar.ts'
import { fileArchive } from './nar.ts'
import type { Row } from './run.ts'
import { startDepot } from './servers.ts'

const ROUNDS = 5
const MIB = 1024 * 1024

interface Upload {
  readonly name: string
  readonly file: string
  readonly target: string
  /** What the same bytes cost a tool that only has to do that one thing. */
  readonly peer?: readonly [string, readonly string[]]
  met(megabytesPerSecond: number, ratio: number | undefined): boolean
}

/** Whole uploads: received, decompressed, parsed, hashed, framed, on disk, committed; beside the bare compressor. */
export async function uploads(dir: string): Promise<readonly Row[]> {
  mkdirSync(dir, { recursive: true })
  const tree = await treeArchive(path.join(dir, 'tree.nar'), 256 * MIB)
  const random = await randomArchive(path.join(dir, 'random.nar'), 256 * MIB)
  execFileSync('sh', ['-c', `xz -T2 -3 -k '${tree}'`])
  const cases: Upload[] = [
    {
      name: 'PUT of a 256 MiB `.nar` of a real tree',
      file: tree,
      peer: ['sh', ['-c', `zstd -3 -T1 -q -f -o '${tree}.zst' '${tree}' && sync '${tree}.zst'`]],
      target: '>= 0.7 of `zstd -3 -T1`',
      met: (_speed, ratio) => (ratio ?? 0) >= 0.7,
    },
    {
      name: 'PUT of a 256 MiB `.nar` of random bytes',
      file: random,
      target: '>= 200 MB/s',
      met: (speed) => speed >= 200,
    },
    {
      name: 'PUT of the tree as `.nar.xz`',
      file: `${tree}.xz`,
      peer: ['sh', ['-c', `xz -dc '${tree}.xz' >/dev/null`]],
      target: '>= 0.45 of `xz -dc`',
      met: (_speed, ratio) => (ratio ?? 0) >= 0.45,
    },
  ]
  const rows: Row[] = []
  for (const [index, item] of cases.entries())
    rows.push(await measure(path.join(dir, `data${index}`), item, statSync(tree).size))
  return rows
}

async function measure(dir: string, { name, file, peer, target, met }: Upload, contentBytes: number): Promise<Row> {
  const remote = `${nix32(await digestOf(file))}.nar${file.endsWith('.xz') ? '.xz' : ''}`
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    if (peer !== undefined) theirs.push(await seconds(() => output(peer[0], peer[1])))
    // A folder of its own each time: content that is there would not be written again.
    await using depot = await startDepot(path.join(`${dir}-${round}`, 'data'))
    ours.push(await seconds(() => put(`${depot.url}/nix/nar/${remote}`, file)))
  }
  const speed = contentBytes / 1e6 / median(ours)
  const ratio = peer === undefined ? undefined : median(theirs) / median(ours)
  return {
    name,
    ours: `${speed.toFixed(0)} MB/s`,
    peer: peer === undefined ? '' : `${(contentBytes / 1e6 / median(theirs)).toFixed(0)} MB/s`,
    ratio,
    target,
    met: met(speed, ratio),
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now()
  await work()
  return (performance.now() - since) / 1000
}

/** PUT a file with its length by curl, whose library Nix uses: a client in JavaScript would take half a core from the server. */
async function put(url: string, file: string): Promise<void> {
  const status = await output('curl', ['-sS', '-T', file, '-o', '/dev/null', '-w', '%{http_code}', url])
  if (status !== '201') throw new Error(`PUT ${url}: ${status}`)
}

export async function digestOf(file: string): Promise<Buffer> {
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(file, { highWaterMark: MIB })) hash.update(bytes as Buffer)
  return hash.digest()
}

/** Programs, libraries and texts of this machine as one file in an archive, cut to size: bytes as store paths have them. */
export async function treeArchive(file: string, sizeBytes: number): Promise<string> {
  const { head, tail } = fileArchive(sizeBytes)
  const quoted = (bytes: Buffer): string => [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
  const tree = `tar -cf - /usr/lib /usr/share /usr/bin 2>/dev/null | head -c ${sizeBytes}`
  execFileSync('bash', ['-c', `{ printf '${quoted(head)}'; ${tree}; printf '${quoted(tail)}'; } > '${file}'`])
  return file
}

async function randomArchive(file: string, sizeBytes: number): Promise<string> {
  const { head, tail } = fileArchive(sizeBytes)
  async function* parts(): AsyncGenerator<Buffer> {
    yield head
    yield* createReadStream('/dev/urandom', { end: sizeBytes - 1, highWaterMark: MIB }) as AsyncIterable<Buffer>
    yield tail
  }
  await pipeline(parts(), createWriteStream(file))
  return file
}
