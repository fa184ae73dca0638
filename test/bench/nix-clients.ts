import { mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { median } from './load.ts'
import { closureOf, type Closure } from './nix-closure.ts'
import { signing, smallPaths } from './nix-many.ts'
import type { Row } from './run.ts'
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
    await pushes(dir, closure),
    ...(await smallPaths(path.join(dir, 'many'))),
    signing(),
  ]
}

async function pulls(dir: string, closure: Closure): Promise<readonly Row[]> {
  const files = path.join(dir, 'files')
  await closure.push(`file://${files}?compression=zstd`)
  await using nginx = await startNginx(path.join(dir, 'nginx'), files)
  await using depot = await startDepot(path.join(dir, 'pushed', 'data'))
  await using local = await startDepot(path.join(dir, 'local', 'data'), ['--nix-store', closure.root])
  await closure.push(`${depot.url}/nix?compression=zstd`)
  const peer = process.env['BENCH_PEER_URL']
  const caches = { nginx: nginx.url, depot: `${depot.url}/nix`, local: `${local.url}/nix`, ...(peer && { peer }) }
  const seconds = await inTurn(caches, (url) => closure.pull(url))
  const beside = Object.keys(caches).filter((name) => ['nginx', 'peer'].includes(name))
  return beside.flatMap((name) => [
    row('`nix copy --from` of 200 paths, 220 MB', seconds('depot'), name, seconds(name), 1.6),
    row('the same from the local store', seconds('local'), name, seconds(name), 1.6),
  ])
}

/** Run something for each of some things in turn, several times; returns the median of what came of one. */
async function inTurn<T>(
  things: Readonly<Record<string, T>>,
  run: (thing: T, round: number) => Promise<number>,
): Promise<(name: string) => number> {
  const figures = new Map<string, number[]>(Object.keys(things).map((name) => [name, []]))
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, thing] of Object.entries(things)) figures.get(name)?.push(await run(thing, round))
  return (name) => median(figures.get(name) ?? [])
}

async function pushes(dir: string, closure: Closure): Promise<Row> {
  const start = {
    nginx: (folder: string) => startNginx(path.join(folder, 'nginx'), folder, TAKES_PUT),
    depot: (folder: string) => startDepot(path.join(folder, 'data')),
  }
  const seconds = await inTurn(start, async (begin, round) => {
    // What is there would not be sent again.
    const folder = path.join(dir, `${begin === start.nginx ? 'nginx' : 'depot'}-${round}`)
    mkdirSync(folder, { recursive: true })
    await using server = await begin(folder)
    return await closure.push(`${server.url}?compression=zstd`)
  })
  return row('`nix copy --to` of the same, zstd', seconds('depot'), 'nginx with WebDAV', seconds('nginx'))
}

/** @param limitSeconds what was aimed at; without one the push may take twice as long as to nginx */
function row(name: string, ours: number, peer: string, theirs: number, limitSeconds?: number): Row {
  const ratio = theirs / ours
  return {
    name,
    ours: `${ours.toFixed(2)} s`,
    peer: `${peer} ${theirs.toFixed(2)} s`,
    ratio,
    target: limitSeconds === undefined ? '>= 0.5' : `<= ${limitSeconds} s`,
    met: limitSeconds === undefined ? ratio >= 0.5 : ours <= limitSeconds,
  }
}
