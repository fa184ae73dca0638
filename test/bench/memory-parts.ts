import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Row } from './report.ts'
import { memory } from './servers.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const QUIET_MS = 1500

/** What a server is made of, each with all that stands above it. */
const LAYERS: readonly (readonly [name: string, script: string])[] = [
  ['Node', ''],
  [
    'an HTTP server, hashes and compression',
    "require('node:zlib'); require('node:crypto'); require('node:http').createServer().listen(0)",
  ],
  ['SQLite', "new (require('better-sqlite3'))(':memory:').exec('create table one (two)')"],
  ['drizzle', "require('drizzle-orm/better-sqlite3'); require('drizzle-orm/sqlite-core')"],
  ['hono and zod', "require('hono'); require('@hono/node-server'); require('zod')"],
  ['a further thread', "new (require('node:worker_threads').Worker)('setInterval(() => {}, 1000)', { eval: true })"],
]

/** Resident memory of Node, and what each layer of a server adds to it: a budget to hold our own part against. */
export async function memoryLayers(): Promise<readonly Row[]> {
  const rows: Row[] = []
  let [script, beforeMb] = ['', 0]
  for (const [name, more] of LAYERS) {
    script += `${more};`
    const mb = await residentOf(script)
    const title = beforeMb === 0 ? `RSS of ${name} alone` : `RSS that ${name} add${name.includes(' and ') ? '' : 's'}`
    rows.push(told(title, beforeMb === 0 ? mb : mb - beforeMb))
    beforeMb = mb
  }
  return rows
}

async function residentOf(script: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', `${script}setInterval(() => {}, 1000)`], { cwd: ROOT, stdio: 'ignore' })
  try {
    await sleep(QUIET_MS)
    return memory(child.pid ?? 0).nowMb
  } finally {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
}

/** Where the resident memory of a process lies: pages of programs and libraries, the C library's heap, and the rest, most of it V8's. */
export function memoryPlaces(pid: number, when: string): readonly Row[] {
  const kilobytes = {
    'programs and libraries, shared by all that run them': 0,
    "the C library's heap": 0,
    'V8 and buffers': 0,
  }
  let place: keyof typeof kilobytes = 'V8 and buffers'
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const mapped = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)$/.exec(line)?.[1]
    if (mapped === '[heap]') place = "the C library's heap"
    else if (mapped?.startsWith('/') === true) place = 'programs and libraries, shared by all that run them'
    else if (mapped !== undefined) place = 'V8 and buffers'
    kilobytes[place] += Number(/^Rss:\s+(\d+)/.exec(line)?.[1] ?? 0)
  }
  return Object.entries(kilobytes).map(([name, value]) => told(`of RSS ${when}: ${name}`, value / 1024))
}

function told(name: string, mb: number): Row {
  return { name, ours: `${mb.toFixed(0)} MB`, peer: '', ratio: undefined, target: '', met: true }
}
