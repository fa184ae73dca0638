import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { tarGz } from '../helpers/wheel.ts'
import { tool } from '../helpers/tools.ts'
import { publishBody } from './fill.ts'
import { drive, median, output, sideBySide, type Load } from './load.ts'
import { packageTree, treeRoots, writeVerdaccioStorage, type MadePackage } from './npm-storage.ts'
import { startVerdaccio } from './peers.ts'
import type { Row } from './run.ts'
import { memory, resetPeak, runDepot, startDepot, type BenchServer } from './servers.ts'

const ROUNDS = 3
const MIB = 1024 * 1024
/** As many as `typescript` has, with manifests as long as its own. */
const LARGE: MadePackage = { name: 'large', versions: 3478, developmentDependencies: 60 }
const SMALL: MadePackage = { name: 'small', versions: 4, developmentDependencies: 4, sizeBytes: 3000 }
const CORGI = { accept: 'application/vnd.npm.install-v1+json', 'accept-encoding': 'gzip' }

/** A registry of one's own beside Verdaccio: the same packages in both, the same client before them. */
export async function npmRegistry(dir: string): Promise<readonly Row[]> {
  const storage = path.join(dir, 'storage')
  mkdirSync(storage, { recursive: true })
  writeVerdaccioStorage(storage, [SMALL, LARGE, ...packageTree(300)])
  const theirs = path.join(dir, 'verdaccio-storage')
  cpSync(storage, theirs, { recursive: true })
  await using verdaccio = await startVerdaccio(path.join(dir, 'verdaccio'), theirs)
  await using depot = await startDepot(path.join(dir, 'data'))
  await runDepot(['npm', 'import', '--verdaccio', storage, depot.url])
  const registry = `${depot.url}/npm`
  return [
    await packument('small packument, 8 connections', { registry, verdaccio, name: SMALL.name, aim: 20 }, 8),
    await packument(
      'packument of 3,478 versions, 4 connections',
      { registry, verdaccio, name: LARGE.name, aim: 100 },
      4,
    ),
    await tarball(registry, verdaccio),
    await installs(dir, registry, verdaccio),
    ...(await publishes(dir, depot, verdaccio)),
    await readsWhilePublishing(registry),
  ]
}

interface Compared {
  readonly registry: string
  readonly verdaccio: BenchServer
  readonly name: string
  readonly aim: number
}

async function packument(
  title: string,
  { registry, verdaccio, name, aim }: Compared,
  connections: number,
): Promise<Row> {
  const load = (url: string): Load => ({ url: `${url}/${name}`, connections, seconds: 10, headers: CORGI })
  return times(title, load(registry), load(verdaccio.url), aim)
}

async function tarball(registry: string, verdaccio: BenchServer): Promise<Row> {
  const load = (url: string): Load => ({ url: `${url}/small/-/small-1.3.0.tgz`, connections: 8, seconds: 4 })
  return times('tarball of 3 kB, 8 connections', load(registry), load(verdaccio.url), 4)
}

async function times(name: string, ours: Load, theirs: Load, aim: number): Promise<Row> {
  const figures = await sideBySide(
    ROUNDS,
    () => drive(ours),
    () => drive(theirs),
  )
  return {
    name,
    ours: `${figures.perSecond.toFixed(0)}/s, p99 ${figures.p99Ms.toFixed(1)} ms`,
    peer: `Verdaccio ${figures.peerPerSecond.toFixed(1)}/s`,
    ratio: figures.ratio,
    target: `>= ${aim}`,
    met: figures.ratio >= aim,
  }
}

/** `npm install` without a lock file, each time with an empty cache. */
async function installs(dir: string, registry: string, verdaccio: BenchServer): Promise<Row> {
  const ours: number[] = []
  const theirs: number[] = []
  const dependencies = Object.fromEntries(treeRoots().map((name) => [name, '^1.0.0']))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [seconds, url] of [
      [theirs, verdaccio.url],
      [ours, registry],
    ] as const) {
      const app = path.join(dir, `app-${round}-${seconds === ours ? 'depot' : 'peer'}`)
      mkdirSync(app)
      writeFileSync(path.join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', dependencies }))
      seconds.push(await npmInstall(app, url))
    }
  }
  const ratio = median(ours) / median(theirs)
  return {
    name: '`npm install` of 300 packages without a lock file',
    ours: `${median(ours).toFixed(1)} s`,
    peer: `Verdaccio ${median(theirs).toFixed(1)} s`,
    ratio,
    target: '<= 1.05',
    met: ratio <= 1.05,
  }
}

async function npmInstall(app: string, registry: string): Promise<number> {
  const script = tool('npm', 'NPM_12', 'node_modules/npm/bin/npm-cli.js')
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-update-notifier', '--loglevel=error']
  const since = performance.now()
  await output(process.execPath, [
    script,
    'install',
    ...flags,
    `--prefix=${app}`,
    `--cache=${app}/cache`,
    `--userconfig=${app}/npmrc`,
    `--registry=${registry}/`,
  ])
  return (performance.now() - since) / 1000
}

/** The body of `npm publish` for 20 MiB, sent as it is: what the server needs for it, without the client's own work. */
async function publishes(dir: string, depot: BenchServer, verdaccio: BenchServer): Promise<readonly Row[]> {
  const ours: number[] = []
  const theirs: number[] = []
  const grown: number[] = []
  let bodyBytes = 0
  for (let round = 0; round < ROUNDS; round++) {
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
  const ratio = median(ours) / median(theirs)
  const limitMb = (2 * bodyBytes) / 1e6
  return [
    {
      name: 'publish of a 20 MiB package',
      ours: `${median(ours).toFixed(2)} s`,
      peer: `Verdaccio ${median(theirs).toFixed(2)} s`,
      ratio,
      target: '<= 1',
      met: ratio <= 1,
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
  const seconds = 10
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
    name: 'packument of 3,478 versions, 8 readers, a version published each second',
    ours: `${perSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(0)} ms`,
    peer: '',
    ratio: undefined,
    target: 'p99 < 50 ms',
    met: p99Ms < 50,
  }
}
