import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { output } from './load.ts'
import type { Row } from './run.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const MB = 1_000_000
const FILE_MB = 50
const SMALL_FILES = 5_000
const MB_PER_SECOND_MIN = 200
const RSS_MAX_MB = 250

/** A bundle of 10 GB, or of as much as the disk has room for three times. */
export async function bundles(dir: string): Promise<readonly Row[]> {
  mkdirSync(dir, { recursive: true })
  const { bavail, bsize } = statfsSync(dir)
  const sizeMb = Math.min(10_000, Math.floor((bavail * bsize) / MB / 4))
  const saved = path.join(dir, 'saved')
  fill(saved, sizeMb)
  const unsigned = '--allow-unsigned'
  const tar = path.join(dir, 'carry.tar')
  const rows = [
    ...(await measured(`create of ${sizeMb / 1000} GB`, sizeMb, ['create', tar, '--dir', saved])),
    ...(await measured('verify of it', sizeMb, ['verify', tar, unsigned])),
    ...(await measured('import of it', sizeMb, ['import', tar, unsigned, '--dir', path.join(dir, 'out')])),
  ]
  rmSync(path.join(dir, 'out'), { recursive: true })
  rmSync(tar)
  const folder = `${path.join(dir, 'folder')}/`
  rows.push(...(await measured('create of it as a folder', sizeMb, ['create', folder, '--dir', saved])))
  rmSync(folder, { recursive: true })
  return rows
}

/** Large files that hardly compress, no two alike, and thousands of small ones. */
function fill(saved: string, sizeMb: number): void {
  mkdirSync(path.join(saved, 'python', 'large'), { recursive: true })
  const piece = Buffer.alloc(FILE_MB * MB)
  for (let at = 0; at < piece.length; at += 4) piece.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at)
  for (let index = 0; index < sizeMb / FILE_MB; index++) {
    piece.writeUInt32LE(index, 0)
    writeFileSync(path.join(saved, 'python', 'large', `large-${index}.tar.gz`), piece)
  }
  for (let index = 0; index < SMALL_FILES; index++) {
    const name = path.join(saved, 'npm', `small-${index}`)
    mkdirSync(name, { recursive: true })
    writeFileSync(path.join(name, 'metadata.json'), createHash('sha256').update(String(index)).digest('hex'))
  }
}

/** One command of the built depot: how fast, and how much memory it took at most. */
async function measured(name: string, sizeMb: number, args: readonly string[]): Promise<readonly Row[]> {
  await output('sync', [])
  const began = performance.now()
  const child = spawn(process.execPath, [path.join(ROOT, 'dist', 'cmd', 'depot.js'), 'bundle', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  let peakMb = 0
  const status = `/proc/${child.pid}/status`
  const timer = setInterval(() => {
    const text = existsSync(status) ? readFileSync(status, 'utf8') : ''
    peakMb = Math.max(peakMb, Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024)
  }, 50)
  await once(child, 'exit')
  clearInterval(timer)
  if (child.exitCode !== 0) throw new Error(`depot bundle ${args.join(' ')} ended with ${child.exitCode}`)
  const perSecond = sizeMb / ((performance.now() - began) / 1000)
  const common = { peer: '', ratio: undefined }
  return [
    {
      ...common,
      name: `bundle: ${name}`,
      ours: `${perSecond.toFixed(0)} MB/s`,
      target: `>= ${MB_PER_SECOND_MIN} MB/s`,
      met: perSecond >= MB_PER_SECOND_MIN,
    },
    {
      ...common,
      name: `bundle: peak RSS of the ${name}`,
      ours: `${peakMb.toFixed(0)} MB`,
      target: `< ${RSS_MAX_MB} MB`,
      met: peakMb < RSS_MAX_MB,
    },
  ]
}
