import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

import { tarGz } from '../helpers/wheel.ts'
import { publishBody } from './fill.ts'
import { startCeilings } from './ceilings.ts'
import { drive, inTurn, limits, type Load, median, output, roundsOf, secondsOf } from './load.ts'
import { npmInstalls } from './npm-installs.ts'
import { packageTree, publishAll, writeVerdaccioStorage, type MadePackage } from './npm-storage.ts'
import { ownPeer, startVerdaccio } from './peers.ts'
import type { Row } from './report.ts'
import { type Aim, memoryRows, rateRows } from './rows.ts'
import { memory, resetPeak, runDepot, startDepot, type BenchServer } from './servers.ts'

const ROUNDS = 3
const MIB = 1024 * 1024
/** A run that is only to see that everything works has few of all. */
const WHOLE = limits() === ''
const TREE = WHOLE ? 300 : 40
/** As many as `typescript` has, with manifests as long as its own. */
const LARGE: MadePackage = { name: 'large', versions: WHOLE ? 3478 : 100, developmentDependencies: 60 }
const LARGE_NAME = `packument of ${LARGE.versions.toLocaleString('en')} versions`
const SMALL: MadePackage = { name: 'small', versions: 4, developmentDependencies: 4, sizeBytes: 3000 }
const CORGI = { accept: 'application/vnd.npm.install-v1+json', 'accept-encoding': 'gzip' }

/** A registry of one's own beside Verdaccio: the same packages in both, the same client before them. */
export async function npmRegistry(dir: string): Promise<readonly Row[]> {
  const storage = path.join(dir, 'storage')
  mkdirSync(storage, { recursive: true })
  writeVerdaccioStorage(storage, [SMALL, LARGE, ...packageTree(TREE)])
  const theirs = path.join(dir, 'verdaccio-storage')
  cpSync(storage, theirs, { recursive: true })
  await using verdaccio = await startVerdaccio(path.join(dir, 'verdaccio'), theirs)
  await using depot = await startDepot(path.join(dir, 'data'))
  await runDepot(['npm', 'import', '--verdaccio', storage, depot.url])
  const registry = `${depot.url}/npm`
  const own = ownPeer('npm')
  if (own !== undefined) await publishAll(own.url, storage)
  const others = { Verdaccio: verdaccio.url, ...(own && { peer: own.url }) }
  return [
    ...(await hotReads(dir, registry, others)),
    ...(await npmInstalls(path.join(dir, 'installs'), TREE, { ...others, depot: registry })),
    ...memoryRows(depot.pid, { Verdaccio: verdaccio.pid, ...(own?.pid && { peer: own.pid }) }),
    ...(await publishes(dir, depot, verdaccio)),
    await readsWhilePublishing(registry),
  ]
}

interface Read {
  readonly name: string
  readonly path: string
  readonly connections: number
  readonly seconds: number
  readonly headers: Readonly<Record<string, string>>
  readonly aims: Readonly<Record<string, Aim>>
  /** A peer of one's own has the small packages only. */
  readonly anyPeer: boolean
}

const READS: readonly Read[] = [
  {
    name: 'small packument, 8 connections',
    path: `/${SMALL.name}`,
    connections: 8,
    seconds: 4,
    headers: CORGI,
    aims: { 'bare Node': { ratio: 0.25 }, Verdaccio: { ratio: 20 } },
    anyPeer: true,
  },
  {
    name: 'small packument that the client has (304), 8 connections',
    path: `/${SMALL.name}`,
    connections: 8,
    seconds: 4,
    headers: { ...CORGI, 'if-none-match': '*' },
    aims: { Verdaccio: { ratio: 20 } },
    anyPeer: true,
  },
  {
    name: `${LARGE_NAME}, 4 connections`,
    path: `/${LARGE.name}`,
    connections: 4,
    // Verdaccio has some five answers a second.
    seconds: 10,
    headers: CORGI,
    aims: { 'bare Node': { ratio: 0.5 }, Verdaccio: { ratio: 100 } },
    anyPeer: false,
  },
  {
    name: 'tarball of 3 kB, 8 connections',
    path: `/${SMALL.name}/-/${SMALL.name}-1.3.0.tgz`,
    connections: 8,
    seconds: 4,
    headers: {},
    aims: { Verdaccio: { ratio: 4 } },
    anyPeer: true,
  },
]

/** What clients read, beside the other registries and beside servers that send the same bytes without knowing them. */
async function hotReads(
  dir: string,
  registry: string,
  others: Readonly<Record<string, string>>,
): Promise<readonly Row[]> {
  const asked = READS.map(({ path: where, headers }) => ({ url: registry + where, headers }))
  await using ceilings = await startCeilings(path.join(dir, 'ceilings'), asked)
  const rows: Row[] = []
  for (const [index, { name, path: where, connections, seconds, headers, aims, anyPeer }] of READS.entries()) {
    const load = (url: string): Load => ({ url: url + where, connections, seconds, headers })
    const beside = Object.entries(others).filter(([other]) => anyPeer || other === 'Verdaccio')
    const { depot, ...peers } = await inTurn(ROUNDS, {
      ...ceilings.loads(index, { connections, seconds, headers }),
      ...Object.fromEntries(beside.map(([other, url]) => [other, load(url)])),
      depot: load(registry),
    })
    if (depot) rows.push(...rateRows({ name, ours: depot, peers, aims }))
  }
  return rows
}

/** The body of `npm publish` for 20 MiB, sent as it is: what the server needs for it, without the client's own work. */
async function publishes(dir: string, depot: BenchServer, verdaccio: BenchServer): Promise<readonly Row[]> {
  const ours: number[] = []
  const theirs: number[] = []
  const grown: number[] = []
  let bodyBytes = 0
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    const file = path.join(dir, `publish-${round}.json`)
    const body = publication('published', `1.0.${round}`, 20 * MIB)
    bodyBytes = body.length
    writeFileSync(file, body)
    theirs.push(await put(`${verdaccio.url}/published`, file))
    resetPeak(depot.pid)
    const before = memory(depot.pid).nowMb
    ours.push(await put(`${depot.url}/npm/published`, file))
    grown.push(memory(depot.pid).peakMb - before)
  }
  const ratio = median(theirs) / median(ours)
  const limitMb = (2 * bodyBytes) / 1e6
  return [
    {
      name: 'publish of a 20 MiB package',
      ours: `${median(ours).toFixed(2)} s`,
      peer: `Verdaccio ${median(theirs).toFixed(2)} s`,
      ratio,
      target: '>= 1',
      met: ratio >= 1,
    },
    {
      name: 'resident memory that it adds at most',
      ours: `${Math.max(...grown).toFixed(0)} MB`,
      peer: '',
      ratio: undefined,
      target: `< ${limitMb.toFixed(0)} MB, twice its body`,
      met: Math.max(...grown) < limitMb,
    },
  ]
}

function publication(name: string, version: string, sizeBytes: number): string {
  const manifest = { name, version, description: 'published', main: 'index.js' }
  const tarball = tarGz([
    { name: 'package/package.json', content: JSON.stringify(manifest) },
    { name: 'package/blob.bin', content: randomBytes(sizeBytes) },
  ])
  return publishBody(manifest, tarball)
}

async function put(url: string, file: string): Promise<number> {
  const flags = [
    '-sS',
    '-X',
    'PUT',
    '-H',
    'Content-Type: application/json',
    '-H',
    'Expect:',
    '--data-binary',
    `@${file}`,
  ]
  const since = performance.now()
  const status = await output('curl', [...flags, '-o', '/dev/null', '-w', '%{http_code}', url])
  if (status !== '201') throw new Error(`PUT ${url}: ${status}`)
  return (performance.now() - since) / 1000
}

/** Eight readers of a long packument while a version of it is published every second. */
async function readsWhilePublishing(registry: string): Promise<Row> {
  const seconds = secondsOf(10)
  const reading = drive({ url: `${registry}/${LARGE.name}`, connections: 8, seconds, headers: CORGI })
  for (let round = 0; round < seconds - 1; round++) {
    const body = publication(LARGE.name, `2.${round}.0`, 1000)
    const [answer] = await Promise.all([
      fetch(`${registry}/${LARGE.name}`, { method: 'PUT', body, headers: { 'content-type': 'application/json' } }),
      new Promise((resolve) => setTimeout(resolve, 1000)),
    ])
    if (!answer.ok) throw new Error(`publish: ${answer.status} ${await answer.text()}`)
  }
  const { perSecond, p99Ms, failures } = await reading
  if (failures > 0) throw new Error(`${failures} reads failed`)
  return {
    name: `${LARGE_NAME}, 8 readers, a version published each second`,
    ours: `${perSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(0)} ms`,
    peer: '',
    ratio: undefined,
    target: 'p99 < 50 ms',
    met: p99Ms < 50,
  }
}
