import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { inTurn, type Load, type LoadResult, limits } from './load.ts'
import { writeVerdaccioStorage } from './npm-storage.ts'
import { startVerdaccio } from './peers.ts'
import type { Row } from './report.ts'
import { rate } from './rows.ts'
import { fillScale, RECORDS_EACH, scaleHash, scaleName } from './scale-fill.ts'
import { type BenchServer, memoryOfAll, startDepot, startNginx } from './servers.ts'

const ROUNDS = 3
const SECONDS = 3
const CONNECTIONS = 16
/** So many names are asked for, from the first to the last: their answers were made before, as those of all that was ever asked for. */
const SAMPLE = 2_000
/** Verdaccio finds a package by the name of its folder: more packages take long to make and show nothing else. */
const VERDACCIO_RECORDS_MAX = 100_000

const KINDS = ['narinfo', 'packument', 'simple page'] as const
type Kind = (typeof KINDS)[number]

const HEADERS: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  narinfo: {},
  packument: { accept: 'application/vnd.npm.install-v1+json', 'accept-encoding': 'gzip' },
  'simple page': { accept: 'application/vnd.pypi.simple.v1+json', 'accept-encoding': 'gzip' },
}

const PATHS: Readonly<Record<Kind, (index: number) => string>> = {
  narinfo: (index) => `/nix/${scaleHash(index)}.narinfo`,
  packument: (index) => `/npm/${scaleName(index)}`,
  'simple page': (index) => `/python/simple/${scaleName(index)}/`,
}

/** One depot among so many records, and the others with as many. */
interface Size {
  readonly records: number
  readonly depot: BenchServer
  readonly verdaccio: BenchServer | undefined
}

/** Reads of any of some thousand names among 1,000 to 1,000,000 records: a depot for each number, and all of them in turn. */
export async function scaleRecords(dir: string): Promise<readonly Row[]> {
  const all = limits() === '' ? [1_000, 10_000, 100_000, 1_000_000] : [1_000, 10_000]
  await using servers = new AsyncDisposableStack()
  const sizes: Size[] = []
  const files = path.join(dir, 'files')
  for (const records of all) {
    const data = path.join(dir, String(records), 'data')
    mkdirSync(data, { recursive: true })
    const since = performance.now()
    await fillScale(data, records)
    process.stderr.write(`${records} records filled in, ${((performance.now() - since) / 1000).toFixed(0)} s\n`)
    const depot = servers.use(await startDepot(data))
    await writeNarinfos(path.join(files, String(records)), depot, records)
    const others = path.join(dir, String(records))
    const verdaccio = records > VERDACCIO_RECORDS_MAX ? undefined : servers.use(await verdaccioWith(others, records))
    sizes.push({ records, depot, verdaccio })
  }
  const nginx = servers.use(await startNginx(path.join(dir, 'nginx'), files))
  for (const size of sizes) await warm(size)
  const loads = Object.assign({}, ...sizes.map((size) => loadsOf(dir, size, nginx))) as Record<string, Load>
  const figures = await inTurn(ROUNDS, loads)
  return sizes.flatMap((size) => [...KINDS.flatMap((kind) => rowsOf(size, kind, figures)), startRow(size)])
}

/** As files for nginx, one for each path. */
async function writeNarinfos(folder: string, depot: BenchServer, records: number): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const text = await (await fetch(depot.url + PATHS.narinfo(0))).text()
  for (let index = 0; index < records / RECORDS_EACH; index++)
    writeFileSync(path.join(folder, `${scaleHash(index)}.narinfo`), text.replaceAll(scaleHash(0), scaleHash(index)))
}

function verdaccioWith(dir: string, records: number): Promise<BenchServer> {
  const storage = path.join(dir, 'storage')
  mkdirSync(storage, { recursive: true })
  const numbers = Array.from({ length: records / RECORDS_EACH }, (_, index) => index)
  const packages = numbers.map((index) => ({ name: scaleName(index), versions: 1, developmentDependencies: 12 }))
  writeVerdaccioStorage(storage, packages)
  return startVerdaccio(path.join(dir, 'verdaccio'), storage)
}

function sampleOf(records: number): readonly number[] {
  const count = records / RECORDS_EACH
  const length = Math.min(count, SAMPLE)
  return Array.from({ length }, (_, index) => Math.floor((index * count) / length))
}

/** Ask for each once: what a depot answers for the first time it makes then. */
async function warm({ records, depot }: Size): Promise<void> {
  const urls = KINDS.flatMap((kind) =>
    sampleOf(records).map((index) => ({ url: depot.url + PATHS[kind](index), headers: HEADERS[kind] })),
  )
  const ask = async (): Promise<void> => {
    for (let next = urls.pop(); next !== undefined; next = urls.pop()) {
      const answer = await fetch(next.url, { headers: next.headers })
      if (!answer.ok) throw new Error(`GET ${next.url}: ${answer.status}`)
      await answer.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, ask))
}

function loadsOf(dir: string, { records, depot, verdaccio }: Size, nginx: BenchServer): Readonly<Record<string, Load>> {
  const load = (url: string, kind: Kind, from: (index: number) => string): Load => {
    const paths = path.join(dir, `${records}-${kind}-${new URL(url).port}`)
    writeFileSync(
      paths,
      sampleOf(records)
        .map((index) => `${from(index)}\n`)
        .join(''),
    )
    return { url, connections: CONNECTIONS, seconds: SECONDS, headers: HEADERS[kind], paths }
  }
  const ours = KINDS.map((kind): [string, Load] => [`depot ${kind} ${records}`, load(depot.url, kind, PATHS[kind])])
  return {
    ...Object.fromEntries(ours),
    [`nginx narinfo ${records}`]: load(nginx.url, 'narinfo', (index) => `/${records}/${scaleHash(index)}.narinfo`),
    ...(verdaccio && {
      [`Verdaccio packument ${records}`]: load(verdaccio.url, 'packument', (index) => `/${scaleName(index)}`),
    }),
  }
}

function rowsOf({ records }: Size, kind: Kind, figures: Readonly<Record<string, LoadResult>>): readonly Row[] {
  const ours = figures[`depot ${kind} ${records}`]
  if (ours === undefined) return []
  const beside = ['nginx', 'Verdaccio'].flatMap((peer): [string, LoadResult][] => {
    const theirs = figures[`${peer} ${kind} ${records}`]
    return theirs === undefined ? [] : [[peer, theirs]]
  })
  const name = `${kind} GET among ${records.toLocaleString('en')} records`
  const told = { name, ours: `p50 ${ours.p50Ms.toFixed(2)} ms, ${rate(ours)}`, target: '', met: true }
  const compared = beside.map(([peer, theirs]) => ({
    ...told,
    peer: `${peer} ${rate(theirs)}`,
    ratio: ours.perSecond / theirs.perSecond,
  }))
  return compared.length > 0 ? compared : [{ ...told, peer: '', ratio: undefined }]
}

function startRow({ records, depot }: Size): Row {
  return {
    name: `cold start and resident memory with ${records.toLocaleString('en')} records`,
    ours: `${depot.coldStartMs.toFixed(0)} ms, ${memoryOfAll(depot.pid).toFixed(0)} MB`,
    peer: '',
    ratio: undefined,
    target: '',
    met: true,
  }
}
