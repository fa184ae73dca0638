import { cpSync, mkdirSync } from 'node:fs'
import path from 'node:path'

import { inTurn, type Load, mediansInTurn } from './load.ts'
import { closureOf, type Closure } from './nix-closure.ts'
import { signing, smallPaths } from './nix-many.ts'
import { ownPeer } from './peers.ts'
import type { Row } from './report.ts'
import { EQUAL, memoryRows, rateRows, timeRows } from './rows.ts'
import { startDepot, startNginx } from './servers.ts'

const ROUNDS = 3
/** nginx takes uploads, which it neither reads nor brings to the disk. */
const TAKES_PUT = 'dav_methods PUT; create_full_put_path on; client_max_body_size 0;'

/**
 * What users of Nix wait for. BENCH_PEER_URL may name another cache, which must hold the closure already: one that serves a store is
 * started on BENCH_NIX_STORE, any other one is filled from there by `nix copy`, after a first run made it.
 */
export async function nixClients(dir: string): Promise<readonly Row[]> {
  mkdirSync(dir, { recursive: true })
  const closure = await closureOf(dir)
  return [
    ...(await pulls(dir, closure)),
    ...(await pushes(dir, closure)),
    ...(await smallPaths(path.join(dir, 'many'))),
    signing(),
  ]
}

async function pulls(dir: string, closure: Closure): Promise<readonly Row[]> {
  const files = path.join(dir, 'files')
  await closure.push(`file://${files}?compression=zstd`)
  await using nginx = await startNginx(path.join(dir, 'nginx'), files)
  const data = path.join(dir, 'pushed', 'data')
  {
    await using depot = await startDepot(data)
    await closure.push(`${depot.url}/nix?compression=zstd`)
  }
  const copy = path.join(dir, 'two', 'data')
  cpSync(data, copy, { recursive: true })
  await using depot = await startDepot(data)
  await using two = await startDepot(copy, ['--workers', '2'])
  await using local = await startDepot(path.join(dir, 'local', 'data'), ['--nix-store', closure.root])
  const own = ownPeer('nix-clients')
  const peers = { nginx: nginx.url, ...(own && { peer: own.url }) }
  const ours = { depot: depot.url, local: local.url, two: two.url }
  const memory = own?.pid === undefined ? [] : memoryRows(depot.pid, { peer: own.pid })
  return [...(await copies(closure, ours, peers)), ...(await narinfos(closure, ours, peers)), ...memory]
}

type Servers = Readonly<Record<string, string>>

/** What the depot is called in a row, by the way in which it was started. */
const WAYS = { depot: '', local: ' from the local store', two: ', two workers' } as const

async function copies(closure: Closure, ours: Servers, peers: Servers): Promise<readonly Row[]> {
  const all = await mediansInTurn(ROUNDS, { ...peers, ...ours }, (url) => closure.pull(url))
  const theirs = Object.fromEntries(Object.entries(all).filter(([name]) => Object.hasOwn(peers, name)))
  const aims = Object.fromEntries(Object.keys(peers).map((name) => [name, EQUAL]))
  return Object.entries(WAYS).flatMap(([way, told]) =>
    timeRows(`\`nix copy --from\` of 200 paths, 220 MB${told}`, all[way] ?? NaN, theirs, aims),
  )
}

/** The narinfo of one path of the closure, which every cache has that Nix can copy it from. */
async function narinfos(closure: Closure, ours: Servers, peers: Servers): Promise<readonly Row[]> {
  const narinfo = `/${path.basename(closure.top).slice(0, 32)}.narinfo`
  const loads = Object.entries({ ...peers, ...ours }).map(([name, url]): [string, Load] => [
    name,
    { url: url + narinfo, connections: 16, seconds: 4 },
  ])
  const { depot, local, two, ...beside } = await inTurn(ROUNDS, Object.fromEntries(loads))
  const aims = { nginx: { ratio: 0.45 }, peer: { ratio: 1 } }
  const aimsOfTwo = { nginx: { ratio: 0.7 }, peer: { ratio: 1 } }
  const name = 'narinfo GET of that closure, 16 connections'
  return [
    ...(depot ? rateRows({ name, ours: depot, peers: beside, aims }) : []),
    ...(two ? rateRows({ name: name + WAYS.two, ours: two, peers: beside, aims: aimsOfTwo }) : []),
    ...(local ? rateRows({ name: name + WAYS.local, ours: local, peers: beside, aims: {} }) : []),
  ]
}

async function pushes(dir: string, closure: Closure): Promise<readonly Row[]> {
  const start = {
    nginx: (folder: string) => startNginx(path.join(folder, 'nginx'), folder, TAKES_PUT),
    depot: (folder: string) => startDepot(path.join(folder, 'data')),
  }
  const { depot = NaN, nginx = NaN } = await mediansInTurn(ROUNDS, start, async (begin, name, round) => {
    // What is there would not be sent again.
    const folder = path.join(dir, `${name}-${round}`)
    mkdirSync(folder, { recursive: true })
    await using server = await begin(folder)
    return await closure.push(`${server.url}?compression=zstd`)
  })
  const beside = { 'nginx with WebDAV': nginx }
  return timeRows('`nix copy --to` of the same, zstd', depot, beside, { 'nginx with WebDAV': 0.5 })
}
