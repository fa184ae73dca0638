import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import process from 'node:process'

import { buildWheel } from '../helpers/wheel.ts'
import { tool } from '../helpers/tools.ts'
import { startCeilings } from './ceilings.ts'
import { inTurn, limits, type Load, median, mediansInTurn, output, roundsOf, secondsFor } from './load.ts'
import { type Devpi, ownPeer, startDevpi, startPypiserver } from './peers.ts'
import { fileReads, NARROW } from './python-files.ts'
import type { Row } from './report.ts'
import { EQUAL, memoryRows, rateRows, timeRows } from './rows.ts'
import { memory, resetPeak, runDepot, startDepot, type BenchServer } from './servers.ts'

const ROUNDS = 3
/** A run that is only to see that everything works has few. */
const PROJECTS = limits() === '' ? 40 : 4
/** With four versions more of most projects: as many files as a team's folder of wheels has. */
const FILES = limits() === '' ? 188 : 6
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
  const narrow = path.join(dir, 'narrow')
  writeWheel(narrow, NARROW, '1.0', 108_000)
  const own = ownPeer('python')
  if (own !== undefined) await uvPublish(wheels, process.env['BENCH_PEER_UPLOAD_URL'] ?? own.url)
  const published = await publishes(path.join(dir, 'publish'), wheels, devpi)
  await runDepot(['python', 'import', wheels, depot.url])
  await runDepot(['python', 'import', narrow, depot.url])
  await uvPublish(narrow, `${await devpi.index('narrow')}/`)
  const others = {
    // Filled by the first round of uploads.
    devpi: `${devpi.url}/root/round-0/+simple`,
    pypiserver: `${pypiserver.url}/simple`,
    ...(own && { peer: own.url }),
  }
  return [
    ...published,
    ...(await pages(dir, depot, others)),
    ...(await fileReads(dir, depot, { devpi: `${devpi.url}/root/narrow/+simple` })),
    ...(await installs(dir, { ...others, depot: `${depot.url}/python/simple` })),
    ...memoryRows(depot.pid, { devpi: devpi.pid, pypiserver: pypiserver.pid, ...(own?.pid && { peer: own.pid }) }),
    ...(await largeUpload(dir, depot)),
  ]
}

/** Forty projects, five versions of most: 217 MB in all. */
function writeWheels(dir: string): void {
  for (let index = 0; index < FILES; index++) {
    const name = `project-${String(index % PROJECTS).padStart(2, '0')}`
    writeWheel(dir, name, `1.${Math.floor(index / PROJECTS)}`, 1_150_000)
  }
}

function writeWheel(dir: string, name: string, version: string, sizeBytes: number): void {
  mkdirSync(dir, { recursive: true })
  const content = randomBytes(sizeBytes)
  const { filename, bytes } = buildWheel({ name, version, extra: [{ name: `${name}.bin`, content }] })
  writeFileSync(path.join(dir, filename), bytes)
}

/** `uv publish` of the whole folder, one file after the other as uv does it, into indexes that are empty. */
async function publishes(dir: string, wheels: string, devpi: Devpi): Promise<readonly Row[]> {
  const into = {
    devpi: async (round: number) => uvPublish(wheels, `${await devpi.index(`round-${round}`)}/`),
    async pypiserver(round: number) {
      const folder = path.join(dir, `pypiserver-${round}`)
      mkdirSync(folder, { recursive: true })
      await using server = await startPypiserver(folder)
      return await uvPublish(wheels, `${server.url}/`)
    },
    async depot(round: number) {
      await using server = await startDepot(path.join(dir, `depot-${round}`, 'data'))
      return await uvPublish(wheels, `${server.url}/python/legacy/`)
    },
  }
  const { depot = NaN, ...peers } = await mediansInTurn(ROUNDS, into, (publish, _, round) => publish(round))
  return timeRows(`\`uv publish\` of ${FILES} files`, depot, peers, { devpi: 5, pypiserver: EQUAL })
}

function uvPublish(wheels: string, url: string): Promise<number> {
  const flags = ['publish', '--no-config', '--trusted-publishing', 'never', '--quiet']
  const credentials = ['--username', 'root', '--password', PASSWORD]
  return secondsFor(() => output(uv(), [...flags, ...credentials, '--publish-url', url, `${wheels}/*.whl`]))
}

/** pypiserver answers in HTML whatever one asks for. */
async function pages(
  dir: string,
  depot: BenchServer,
  others: Readonly<Record<string, string>>,
): Promise<readonly Row[]> {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json', 'accept-encoding': 'gzip' }
  const load = { connections: 16, seconds: 4, headers }
  const own = `${depot.url}/python/simple/project-00/`
  await using ceilings = await startCeilings(path.join(dir, 'ceilings'), [{ url: own, headers }])
  const beside = Object.entries(others).map(([name, url]): [string, Load] => [
    name,
    { ...load, url: `${url}/project-00/` },
  ])
  const loads = { ...ceilings.loads(0, load), ...Object.fromEntries(beside), depot: { ...load, url: own } }
  const { depot: ours, ...peers } = await inTurn(ROUNDS, loads)
  const aims = { nginx: { ratio: 0.25 }, devpi: { ratio: 10 } }
  return ours ? rateRows({ name: 'project page (JSON), 16 connections', ours, peers, aims }) : []
}

/** `uv pip install` of all projects into an empty folder, without a cache. */
async function installs(dir: string, indexes: Readonly<Record<string, string>>): Promise<readonly Row[]> {
  const projects = Array.from({ length: PROJECTS }, (_, index) => `project-${String(index).padStart(2, '0')}`)
  const flags = ['pip', 'install', '--no-config', '--no-cache', '--quiet']
  const { depot = NaN, ...peers } = await mediansInTurn(ROUNDS, indexes, (index, name, round) => {
    const target = path.join(dir, `target-${round}-${name}`)
    return secondsFor(() => output(uv(), [...flags, '--target', target, '--index-url', `${index}/`, ...projects]))
  })
  const aims = Object.fromEntries(Object.keys(peers).map((peer) => [peer, EQUAL]))
  return timeRows(`\`uv pip install\` of ${PROJECTS} projects`, depot, peers, aims)
}

/** `twine upload` of 60 MB beside a server that reads the form and keeps nothing. */
async function largeUpload(dir: string, depot: BenchServer): Promise<readonly Row[]> {
  await using sink = await startSink()
  const ours: number[] = []
  const theirs: number[] = []
  const grown: number[] = []
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
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
  const ratio = median(theirs) / median(ours)
  return [
    {
      name: '`twine upload` of 60 MB',
      ours: `${median(ours).toFixed(2)} s`,
      peer: `a server that keeps nothing ${median(theirs).toFixed(2)} s`,
      ratio,
      target: '>= 0.77',
      met: ratio >= 0.77,
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

function twineUpload(file: string, url: string): Promise<number> {
  const flags = ['upload', '--non-interactive', '--disable-progress-bar', '-u', '__token__', '-p', 'any']
  return secondsFor(() => output(tool('twine', 'TWINE', 'bin/twine'), [...flags, '--repository-url', url, file]))
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
