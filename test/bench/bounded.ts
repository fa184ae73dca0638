import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { PATH_KIND } from '../../protocols/nix/records.ts'
import { openStorage } from '../../storage/open.ts'
import { largePublish } from '../helpers/large-publish.ts'
import { nixPaths, storeHashes } from '../helpers/many-records.ts'
import { BOMB_SUFFIXES, narBomb } from '../helpers/nar-bomb.ts'
import { sha256Nix32 } from '../helpers/nar.ts'
import type { Row } from './run.ts'
import { memory, resetPeak, startDepot, type BenchServer } from './servers.ts'

const MIB = 1024 * 1024
const READERS = 30

/** Memory that does not grow with what is sent, with what that unpacks to, or with how many read it slowly. */
export async function boundedMemory(dir: string): Promise<readonly Row[]> {
  return [await publish(path.join(dir, 'publish')), ...(await bombs(path.join(dir, 'bombs'))), await slowReaders(dir)]
}

async function publish(dir: string): Promise<Row> {
  await using depot = await startDepot(path.join(dir, 'data'))
  return await added(depot, 'npm publish of 192 MiB', 110, async () => {
    const outgoing = request(`${depot.url}/npm/large`, { method: 'PUT' })
    const answer = once(outgoing, 'response')
    Readable.from(largePublish(192)).pipe(outgoing)
    const [incoming] = (await answer) as [IncomingMessage]
    await incoming.toArray()
    if (incoming.statusCode !== 201) throw new Error(`the large publish was answered ${incoming.statusCode}`)
  })
}

async function bombs(dir: string): Promise<readonly Row[]> {
  await using depot = await startDepot(path.join(dir, 'data'))
  const rows: Row[] = []
  for (const suffix of BOMB_SUFFIXES) {
    const body = Uint8Array.from(await narBomb(suffix, 2 ** 35, 8))
    const url = `${depot.url}/nix/nar/${sha256Nix32(body)}.nar${suffix}`
    const send = async (): Promise<void> => {
      const answer = await fetch(url, { method: 'PUT', body })
      if (answer.status !== 422) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
    }
    rows.push(await added(depot, `368 MB of zeros as \`${suffix}\``, 150, send))
  }
  return rows
}

/** Of a listing of 16 MB that a client asked for and does not take. */
async function slowReaders(dir: string): Promise<Row> {
  const data = path.join(dir, 'readers', 'data')
  const [hash = ''] = storeHashes('large', 1)
  await storeListing(data, hash)
  await using depot = await startDepot(data)
  const { hostname, port, host } = new URL(depot.url)
  const readers = Array.from({ length: READERS }, () => connect(Number(port), hostname).pause())
  const row = await added(depot, `${READERS} slow readers of a listing of 16 MB`, 250, async () => {
    for (const reader of readers) {
      reader.on('error', () => {})
      reader.write(`GET /nix/${hash}.ls HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      await sleep(20)
    }
    await sleep(1000)
  })
  const begun = await Promise.all(readers.map(beginning))
  for (const reader of readers) reader.destroy()
  if (!begun.every((text) => text.startsWith('HTTP/1.1 200'))) throw new Error(`a reader was answered ${begun.join()}`)
  return row
}

/** What was sent first to one who did not look until now. */
async function beginning(reader: Socket): Promise<string> {
  const [bytes] = (await once(reader.resume(), 'data')) as [Buffer]
  return bytes.toString('latin1', 0, 50)
}

async function storeListing(storePath: string, hash: string): Promise<void> {
  mkdirSync(storePath, { recursive: true })
  const databaseUrl = `sqlite://${storePath}/depot.db`
  const { kv, blobs } = await openStorage({ storePath, databaseUrl, storageType: 'fs' })
  for (const puts of nixPaths([hash], [])) await kv.commit({ cache: 1, puts })
  const body = `{"root":{"a":"${'ö'.repeat(8 * MIB)}"}}`
  const key = { cache: 1, kind: PATH_KIND, key: hash, variant: 'ls', origin: '' }
  const document = { ...key, body, etag: '"large"', encoding: '' as const, sourceVersion: 1 }
  await kv.commit({ cache: 1, documents: [document] })
  await kv[Symbol.asyncDispose]()
  await blobs[Symbol.asyncDispose]()
}

/** What some work adds to the resident memory of a server at its peak. */
export async function added(
  { pid }: BenchServer,
  name: string,
  limitMb: number,
  work: () => Promise<unknown>,
): Promise<Row> {
  resetPeak(pid)
  const before = memory(pid).nowMb
  await work()
  const grown = memory(pid).peakMb - before
  return {
    name: `resident memory added by ${name}`,
    ours: `${grown.toFixed(0)} MB`,
    peer: '',
    ratio: undefined,
    target: `< ${limitMb} MB`,
    met: grown < limitMb,
  }
}
