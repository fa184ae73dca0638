import { linkSync, mkdirSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import path from 'node:path'

import { sendHuge } from './huge.ts'
import { inTurn, limits } from './load.ts'
import type { Row } from './report.ts'
import { memory, resetPeak, startDepot, startNginx } from './servers.ts'

const ROUNDS = 3
const SECONDS = 4
const KIB = 1024
const MIB = 1024 * KIB
const SIZES = [64 * KIB, MIB, 16 * MIB, 256 * MIB, 1024 * MIB, 10 * 1024 * MIB]

/**
 * Archives of 64 KiB to 10 GiB, as far as the disk has room for them twice, that come in once and go out on four connections. nginx serves the
 * depot's own file of each, so that the machine's cache has it once.
 */
export async function scaleFiles(dir: string): Promise<readonly Row[]> {
  const files = path.join(dir, 'files')
  mkdirSync(files, { recursive: true })
  const data = path.join(dir, 'data')
  await using depot = await startDepot(data)
  await using nginx = await startNginx(path.join(dir, 'nginx'), files)
  const rows: Row[] = []
  for (const sizeBytes of await sizesFor(dir)) {
    const size = sizeText(sizeBytes)
    resetPeak(depot.pid)
    const { name, digest, seconds } = await sendHuge(depot.url, sizeBytes)
    const arrived = `${(sizeBytes / 1e6 / seconds).toFixed(0)} MB/s, peak RSS ${peakMb(depot.pid)} MB`
    rows.push({ name: `NAR of ${size} PUT`, ours: arrived, peer: '', ratio: undefined, target: '', met: true })
    linkSync(blobFile(data, digest), path.join(files, size))
    resetPeak(depot.pid)
    const load = { connections: 4, seconds: SECONDS }
    const loads = {
      nginx: { ...load, url: `${nginx.url}/${encodeURIComponent(size)}` },
      depot: { ...load, url: `${depot.url}/nix/nar/${name}.nar.zst` },
    }
    const { depot: ours, nginx: theirs } = await inTurn(ROUNDS, loads)
    if (ours === undefined || theirs === undefined) continue
    rows.push({
      name: `NAR of ${size} GET, 4 connections`,
      ours: `${(ours.bytesPerSecond / 1e6).toFixed(0)} MB/s, peak RSS ${peakMb(depot.pid)} MB`,
      peer: `nginx ${(theirs.bytesPerSecond / 1e6).toFixed(0)} MB/s`,
      ratio: ours.bytesPerSecond / theirs.bytesPerSecond,
      target: '',
      met: true,
    })
  }
  return rows
}

/** Those for which there is room: a file lies in the staging folder and then in its place, and the smaller ones stay. */
async function sizesFor(dir: string): Promise<readonly number[]> {
  const { bavail, bsize } = await statfs(dir)
  const most = limits() === '' ? (bavail * bsize) / 2 : 16 * MIB
  return SIZES.filter((sizeBytes) => sizeBytes <= most)
}

function blobFile(data: string, digest: string): string {
  return path.join(data, 'blobs', 'main', 'sha256', digest.slice(0, 2), digest.slice(2, 4), digest)
}

function peakMb(pid: number): string {
  return memory(pid).peakMb.toFixed(0)
}

function sizeText(sizeBytes: number): string {
  if (sizeBytes < MIB) return `${sizeBytes / KIB} KiB`
  return sizeBytes < 1024 * MIB ? `${sizeBytes / MIB} MiB` : `${sizeBytes / 1024 / MIB} GiB`
}
