import { mkdirSync } from 'node:fs'
import path from 'node:path'

import { boundedMemory } from './bounded.ts'
import { fillNix } from './fill.ts'
import { drive, median } from './load.ts'
import { memoryLayers, memoryPlaces } from './memory-parts.ts'
import { sendHuge } from './huge.ts'
import type { Row } from './run.ts'
import { memory, resetPeak, startDepot } from './servers.ts'

const GB = 1_000_000_000

/** Start time and resident memory of the built depot: idle, after load, and while 10 GB go in and out. */
export async function coldStartAndMemory(dir: string): Promise<readonly Row[]> {
  mkdirSync(dir, { recursive: true })
  const starts: number[] = []
  const idles: number[] = []
  let places: readonly Row[] = []
  for (let round = 0; round < 5; round++) {
    await using depot = await startDepot(path.join(dir, 'start', 'data'))
    starts.push(depot.coldStartMs)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    idles.push(memory(depot.pid).nowMb)
    places = memoryPlaces(depot.pid, 'idle')
  }
  return [
    ...(await memoryLayers()),
    megabytes('RSS idle', median(idles), 100),
    ...places,
    {
      name: 'cold start to the first answer',
      ours: `${median(starts).toFixed(0)} ms`,
      peer: '',
      ratio: undefined,
      target: '< 800 ms',
      met: median(starts) < 800,
    },
    ...(await afterLoad(path.join(dir, 'load', 'data'))),
    ...(await boundedMemory(path.join(dir, 'bounded'))),
    ...(await hugeArchive(path.join(dir, 'huge', 'data'))),
  ]
}

function megabytes(name: string, value: number, limit: number): Row {
  return {
    name,
    ours: `${value.toFixed(0)} MB`,
    peer: '',
    ratio: undefined,
    target: `< ${limit} MB`,
    met: value < limit,
  }
}

async function afterLoad(data: string): Promise<readonly Row[]> {
  await using depot = await startDepot(data)
  const small = await fillNix(depot.url, '0'.repeat(32), 10_000)
  const large = await fillNix(depot.url, '1'.repeat(32), 64 << 20)
  for (const [where, connections] of [
    [small.narinfoPath, 16],
    [small.narPath, 16],
    [large.narPath, 4],
  ] as const) {
    await drive({ url: depot.url + where, connections, seconds: 5 })
  }
  await new Promise((resolve) => setTimeout(resolve, 2000))
  return [megabytes('RSS after load', memory(depot.pid).nowMb, 200), ...memoryPlaces(depot.pid, 'after load')]
}

/** 10 GB in by one PUT and out as `.nar` and `.nar.zst`. */
async function hugeArchive(data: string): Promise<readonly Row[]> {
  await using depot = await startDepot(data)
  resetPeak(depot.pid)
  const { name } = await sendHuge(depot.url, 10 * GB)
  const incoming = memory(depot.pid).peakMb
  resetPeak(depot.pid)
  for (const suffix of ['.nar', '.nar.zst']) await receive(`${depot.url}/nix/nar/${name}${suffix}`)
  const outgoing = memory(depot.pid).peakMb
  return [
    megabytes('peak RSS while a 10 GB NAR comes in', incoming, 350),
    megabytes('peak RSS while it goes out, decoded and as stored', outgoing, 350),
  ]
}

async function receive(url: string): Promise<void> {
  const answer = await fetch(url)
  if (!answer.ok || answer.body === null) throw new Error(`GET ${url}: ${answer.status}`)
  for await (const bytes of answer.body) if (bytes.byteLength === 0) throw new Error('an empty piece')
}
