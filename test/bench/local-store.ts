import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { added } from './bounded.ts'
import { drive, sideBySide } from './load.ts'
import type { Row } from './run.ts'
import { startDepot, startNginx } from './servers.ts'

const ROUNDS = 5
const SECONDS = 4
const MIB = 1024 * 1024
const NIX = 'nix'

/** Paths of a Nix store on this machine, read through to, beside nginx on the bare files. */
export async function localStore(dir: string): Promise<readonly Row[]> {
  const files = path.join(dir, 'files')
  mkdirSync(files, { recursive: true })
  const root = path.join(dir, 'root')
  const storePath = addFile(dir, root, 64 * MIB)
  await using depot = await startDepot(path.join(dir, 'data'), ['--nix-store', root])
  const narinfoUrl = `${depot.url}/${path.basename(storePath).slice(0, 32)}.narinfo`
  const narinfo = await (await fetch(narinfoUrl)).text()
  const narUrl = `${depot.url}/${/^URL: (.*)$/m.exec(narinfo)?.[1] ?? ''}`
  copyFileSync(path.join(root, storePath), path.join(files, 'file'))
  writeFileSync(path.join(files, 'narinfo'), narinfo)
  await using nginx = await startNginx(path.join(dir, 'nginx'), files)
  return [
    await beside('local store: 64 MiB NAR GET, 4 connections', narUrl, `${nginx.url}/file`, 4, 0.5),
    await beside('local store: narinfo GET', narinfoUrl, `${nginx.url}/narinfo`, 16, 0.15),
    await largeFile(path.join(dir, 'large-file')),
  ]
}

async function beside(name: string, ours: string, theirs: string, connections: number, target: number): Promise<Row> {
  const load = (url: string) => () => drive({ url, connections, seconds: SECONDS })
  const { perSecond, peerPerSecond, ratio } = await sideBySide(ROUNDS, load(ours), load(theirs))
  return {
    name,
    ours: `${perSecond.toFixed(1)}/s`,
    peer: `nginx ${peerPerSecond.toFixed(1)}/s`,
    ratio,
    target: `>= ${target}`,
    met: ratio >= target,
  }
}

/** A file of 1 GiB, made into an archive on its way. */
async function largeFile(dir: string): Promise<Row> {
  mkdirSync(dir, { recursive: true })
  const root = path.join(dir, 'root')
  const storePath = addFile(dir, root, 1024 * MIB)
  await using depot = await startDepot(path.join(dir, 'data'), ['--nix-store', root])
  const narinfo = await (await fetch(`${depot.url}/${path.basename(storePath).slice(0, 32)}.narinfo`)).text()
  const url = `${depot.url}/${/^URL: (.*)$/m.exec(narinfo)?.[1] ?? ''}`
  return await added(depot, 'a file of 1 GiB in the local store that goes out', 100, async () => {
    let sizeBytes = 0
    for await (const piece of (await fetch(url)).body ?? []) sizeBytes += (piece as Uint8Array).byteLength
    if (sizeBytes < 1024 * MIB) throw new Error(`${url} had ${sizeBytes} bytes`)
  })
}

/** A file in a store of its own, and what it is called there. */
function addFile(dir: string, root: string, sizeBytes: number): string {
  const conf = path.join(dir, 'conf')
  mkdirSync(conf, { recursive: true })
  writeFileSync(
    path.join(conf, 'nix.conf'),
    'build-users-group =\nexperimental-features = nix-command\nsubstituters =\n',
  )
  const file = path.join(dir, 'large')
  writeFileSync(file, randomFillSync(Buffer.alloc(sizeBytes)))
  const env = { PATH: process.env['PATH'] ?? '', HOME: dir, NIX_CONF_DIR: conf }
  return execFileSync(NIX, ['store', 'add-file', '--store', root, file], { env, encoding: 'utf8' }).trim()
}
