import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'

import { buildWheel } from '../helpers/wheel.ts'
import { tool } from '../helpers/tools.ts'
import { drive, median, output, sideBySide } from './load.ts'
import { startDevpi, startPypiserver } from './peers.ts'
import type { Row } from './run.ts'
import { memory, resetPeak, runDepot, startDepot, type BenchServer } from './servers.ts'

const ROUNDS = 3
const PROJECTS = 40
/** With four versions more of most projects: as many files as a team's folder of wheels has. */
const FILES = 188
const PASSWORD = 'secret'

/** A package index of one's own beside devpi and pypiserver: the same wheels in all three, the same clients before them. */
export async function pythonIndex(dir: string): Promise<readonly Row[]> {
  const wheels = path.join(dir, 'wheels')
  mkdirSync(wheels, { recursive: true })
  writeWheels(wheels)
  const served = path.join(dir, 'pypiserver')
  cpSync(wheels, served, { recursive: true })
  await using devpi = await startDevpi(path.join(dir, 'devpi'))
  await using pypiserver = await startPypiserver(served)
  await using depot = await startDepot(path.join(dir, 'data'))
  const published = await publishes(path.join(dir, 'first'), wheels, devpi.index)
  await runDepot(['python', 'import', wheels, depot.url])
  return [
    published,
    await pages(depot, devpi.index),
    await installs(dir, [
      { name: 'depot', index: `${depot.url}/python/simple/` },
      { name: 'devpi', index: `${devpi.index}/+simple/` },
      { name: 'pypiserver', index: `${pypiserver.url}/simple/` },
    ]),
    ...(await largeUpload(dir, depot)),
  ]
}

/** Forty projects, five versions of most: 217 MB in all. */
function writeWheels(dir: string): void {
  for (let index = 0; index < FILES; index++) {
    const name = `project-${String(index % PROJECTS).padStart(2, '0')}`
    const content = randomBytes(1_150_000)
    const version = `1.${Math.floor(index / PROJECTS)}`
    const { filename, bytes } = buildWheel({ name, version, extra: [{ name: `${name}.bin`, content }] })
    writeFileSync(path.join(dir, filename), bytes)
  }
}

/** `uv publish` of the whole folder, one file after the other as uv does it, into a depot and an index that are empty. */
async function publishes(dir: string, wheels: string, index: string): Promise<Row> {
  await using depot = await startDepot(path.join(dir, 'data'))
  const ours = await uvPublish(wheels, `${depot.url}/python/legacy/`)
  const theirs = await uvPublish(wheels, `${index}/`)
  const ratio = theirs / ours
  return {
    name: `\`uv publish\` of ${FILES} files`,
    ours: `${ours.toFixed(1)} s`,
    peer: `devpi ${theirs.toFixed(1)} s`,
    ratio,
    target: '>= 5 times as fast',
    met: ratio >= 5,
  }
}

async function uvPublish(wheels: string, url: string): Promise<number> {
  const flags = ['publish', '--no-config', '--trusted-publishing', 'never', '--quiet']
  const credentials = ['--username', 'root', '--password', PASSWORD]
  return seconds(() => output(uv(), [...flags, ...credentials, '--publish-url', url, `${wheels}/*.whl`]))
}

async function pages(depot: BenchServer, index: string): Promise<Row> {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json', 'accept-encoding': 'gzip' }
  const load = (url: string) => () => drive({ url, connections: 16, seconds: 4, headers })
  const figures = await sideBySide(
    ROUNDS,
    load(`${depot.url}/python/simple/project-00/`),
    load(`${index}/+simple/project-00/`),
  )
  return {
    name: 'project page (JSON), 16 connections',
    ours: `${figures.perSecond.toFixed(0)}/s, p99 ${figures.p99Ms.toFixed(1)} ms`,
    peer: `devpi ${figures.peerPerSecond.toFixed(0)}/s`,
    ratio: figures.ratio,
    target: '>= 10',
    met: figures.ratio >= 10,
  }
}

interface Index {
  readonly name: string
  readonly index: string
}

/** `uv pip install` of all projects into an empty folder, without a cache; the fastest of the others counts. */
async function installs(dir: string, indexes: readonly Index[]): Promise<Row> {
  const taken = new Map(indexes.map(({ name }): [string, number[]] => [name, []]))
  const projects = Array.from({ length: PROJECTS }, (_, index) => `project-${String(index).padStart(2, '0')}`)
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, index } of indexes) {
      const target = path.join(dir, `target-${round}-${name}`)
      const flags = ['pip', 'install', '--no-config', '--no-cache', '--quiet', '--target', target]
      taken.get(name)?.push(await seconds(() => output(uv(), [...flags, '--index-url', index, ...projects])))
    }
  }
  const [ours = NaN, ...theirs] = indexes.map(({ name }) => median(taken.get(name) ?? []))
  const ratio = ours / Math.min(...theirs)
  return {
    name: `\`uv pip install\` of ${PROJECTS} projects`,
    ours: `${ours.toFixed(2)} s`,
    peer: indexes
      .slice(1)
      .map(({ name }, at) => `${name} ${(theirs[at] ?? NaN).toFixed(2)} s`)
      .join(', '),
    ratio,
    target: '<= 1.05 of the fastest',
    met: ratio <= 1.05,
  }
}

/** `twine upload` of 60 MB beside a server that reads the form and keeps nothing. */
async function largeUpload(dir: string, depot: BenchServer): Promise<readonly Row[]> {
  await using sink = await startSink()
  const ours: number[] = []
  const theirs: number[] = []
  const grown: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const content = randomBytes(60_000_000)
    const { filename, bytes } = buildWheel({
      name: 'large',
      version: `1.${round}`,
      extra: [{ name: 'large.bin', content }],
    })
    const file = path.join(dir, filename)
    writeFileSync(file, bytes)
    theirs.push(await twineUpload(file, sink.url))
    resetPeak(depot.pid)
    const before = memory(depot.pid).nowMb
    ours.push(await twineUpload(file, `${depot.url}/python/legacy/`))
    grown.push(memory(depot.pid).peakMb - before)
  }
  const ratio = median(ours) / median(theirs)
  return [
    {
      name: '`twine upload` of 60 MB',
      ours: `${median(ours).toFixed(2)} s`,
      peer: `a server that keeps nothing ${median(theirs).toFixed(2)} s`,
      ratio,
      target: '<= 1.3',
      met: ratio <= 1.3,
    },
    {
      name: 'resident memory that it adds at most',
      ours: `${Math.max(...grown).toFixed(0)} MB`,
      peer: '',
      ratio: undefined,
      target: '< 60 MB',
      met: Math.max(...grown) < 60,
    },
  ]
}

async function twineUpload(file: string, url: string): Promise<number> {
  const flags = ['upload', '--non-interactive', '--disable-progress-bar', '-u', '__token__', '-p', 'any']
  return seconds(() => output(tool('twine', 'TWINE', 'bin/twine'), [...flags, '--repository-url', url, file]))
}

async function startSink(): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    request.resume()
    request.once('end', () => response.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function uv(): string {
  return tool('uv', 'UV', 'bin/uv')
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now()
  await work()
  return (performance.now() - since) / 1000
}
