import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'

import { nix32 } from '../helpers/nar.ts'
import { median, output, roundsOf } from './load.ts'
import { fileArchive } from './nar.ts'
import type { Row } from './run.ts'
import { memory, resetPeak, startDepot, startProxy } from './servers.ts'

const ROUNDS = 5
const MIB = 1024 * 1024
const AIM = 0.7
/** About 100 MB of it is there before the first request; none of it may grow with what passes. */
const PEAK_MB = 200

/** A 1 GiB archive straight into and out of a depot, and the same through `depot proxy`, in turn. */
export async function proxied(dir: string): Promise<readonly Row[]> {
  mkdirSync(dir, { recursive: true })
  const file = path.join(dir, 'large.nar')
  const name = await writeArchive(file, 1024 * MIB)
  const peaks: number[] = []
  const uploads = { direct: [] as number[], through: [] as number[] }
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    for (const way of ['direct', 'through'] as const) {
      // A folder of its own each time: content that is there would not be written again.
      const data = path.join(dir, 'upload', 'data')
      await using depot = await startDepot(data)
      await using proxy = await startProxy(path.join(dir, 'home'), depot.url)
      resetPeak(proxy.pid)
      const base = way === 'direct' ? depot.url : proxy.url
      uploads[way].push(await seconds(['-T', file], `${base}/nix/nar/${name}.nar`, '201'))
      if (way === 'through') peaks.push(memory(proxy.pid).peakMb)
      rmSync(data, { recursive: true })
    }
  }
  return [row('PUT of a 1 GiB `.nar` through the proxy', uploads, peaks), ...(await downloads(dir, file, name))]
}

async function downloads(dir: string, file: string, name: string): Promise<readonly Row[]> {
  await using depot = await startDepot(path.join(dir, 'download', 'data'))
  await using proxy = await startProxy(path.join(dir, 'home'), depot.url)
  await seconds(['-T', file], `${depot.url}/nix/nar/${name}.nar`, '201')
  const rows: Row[] = []
  for (const suffix of ['.nar', '.nar.zst']) {
    const peaks: number[] = []
    const times = { direct: [] as number[], through: [] as number[] }
    for (let round = 0; round < roundsOf(ROUNDS); round++) {
      times.direct.push(await seconds([], `${depot.url}/nix/nar/${name}${suffix}`, '200'))
      resetPeak(proxy.pid)
      times.through.push(await seconds([], `${proxy.url}/nix/nar/${name}${suffix}`, '200'))
      peaks.push(memory(proxy.pid).peakMb)
    }
    rows.push(row(`GET of the same as \`${suffix}\` through the proxy`, times, peaks))
  }
  return rows
}

function row(
  name: string,
  { direct, through }: { readonly direct: readonly number[]; readonly through: readonly number[] },
  peaks: readonly number[],
): Row {
  const speed = (times: readonly number[]): string => `${((1024 * MIB) / 1e6 / median(times)).toFixed(0)} MB/s`
  const ratio = median(direct) / median(through)
  const peakMb = Math.max(...peaks)
  return {
    name,
    ours: `${speed(through)}, peak RSS ${peakMb.toFixed(0)} MB`,
    peer: `direct ${speed(direct)}`,
    ratio,
    target: `>= ${AIM}, < ${PEAK_MB} MB`,
    met: ratio >= AIM && peakMb < PEAK_MB,
  }
}

/** One request by curl, whose library Nix uses: a client in JavaScript would take half a core from the others. */
async function seconds(args: readonly string[], url: string, expected: string): Promise<number> {
  const since = performance.now()
  const status = await output('curl', ['-sS', ...args, '-o', '/dev/null', '-w', '%{http_code}', url])
  if (status !== expected) throw new Error(`${url}: ${status}`)
  return (performance.now() - since) / 1000
}

/** Random bytes, so that what is stored is as large as what is sent. Returns the name: its hash. */
async function writeArchive(file: string, sizeBytes: number): Promise<string> {
  const { head, tail } = fileArchive(sizeBytes)
  const hash = createHash('sha256')
  const out = createWriteStream(file)
  function* parts(): Generator<Buffer> {
    yield head
    for (let left = sizeBytes; left > 0; left -= MIB) yield randomBytes(MIB)
    yield tail
  }
  for (const bytes of parts()) {
    hash.update(bytes)
    if (!out.write(bytes)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'close')
  return nix32(hash.digest())
}
