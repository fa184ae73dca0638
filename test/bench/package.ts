import { execFile } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { packDepot } from '../helpers/packed.ts'
import { onPath } from '../helpers/probe.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { median, roundsOf } from './load.ts'
import type { Row } from './report.ts'

const run = promisify(execFile)
const ROOT = path.join(import.meta.dirname, '..', '..')
const ROUNDS = 5

/** What is published, as a stranger gets it: how large it is and what is in it; and how long a checkout takes from an empty cache. */
export async function packageSize(dir: string): Promise<readonly Row[]> {
  await mkdir(dir, { recursive: true })
  const tarball = await packDepot(dir, realpathSync(onPath('npm') ?? ''))
  const installed = path.join(dir, 'installed')
  await mkdir(installed)
  await run('npm', ['install', '--prefix', installed, '--no-audit', '--no-fund', tarball], { cwd: installed })
  const packages = await packagesOf(installed)
  const whole = await kibOf(path.join(installed, 'node_modules'))
  const own = packages.filter(({ name }) => !name.includes('/node_modules/'))
  const largest = own.toSorted((one, other) => other.kib - one.kib).slice(0, 5)
  const starts = await startsOf(path.join(installed, 'node_modules/@depot/depot/cmd/launch.js'))
  const checkout = await checkoutSeconds(path.join(dir, 'checkout'))
  return [
    row('tarball', `${((await stat(tarball)).size / 1024).toFixed(0)} KiB`),
    row('installed, without Node', megabytes(whole), '< 60 MB', whole * 1024 < 60e6),
    row('packages of it', String(packages.length)),
    ...largest.map(({ name, kib }) => row(`of which ${name}`, megabytes(kib))),
    row('installed package, start to ready', `${starts.toFixed(0)} ms`, '< 800 ms', starts < 800),
    row('npm ci of a checkout, empty cache', `${checkout.toFixed(1)} s`, '< 40 s', checkout < 40),
  ]
}

interface Installed {
  readonly name: string
  readonly kib: number
}

/** Every package of an installation; the size of each is with those that lie in its own `node_modules`. */
async function packagesOf(folder: string): Promise<readonly Installed[]> {
  const lock = JSON.parse(await readFile(path.join(folder, 'node_modules/.package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, unknown>>
  }
  const sizes: Installed[] = []
  for (const place of Object.keys(lock.packages)) {
    sizes.push({ name: place.replace(/^node_modules\//, ''), kib: await kibOf(path.join(folder, place)) })
  }
  return sizes
}

/** As it lies on the disk, in whole blocks. */
async function kibOf(folder: string): Promise<number> {
  return Number((await run('du', ['-sk', folder])).stdout.split('\t')[0])
}

/** Milliseconds until it prints that it serves. */
async function startsOf(launcher: string): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    const began = performance.now()
    await using _server = await startServerProcess({ launcher })
    times.push(performance.now() - began)
  }
  return median(times)
}

async function checkoutSeconds(folder: string): Promise<number> {
  await mkdir(folder)
  for (const file of ['package.json', 'package-lock.json']) await cp(path.join(ROOT, file), path.join(folder, file))
  await writeFile(path.join(folder, '.npmrc'), `cache=${path.join(folder, 'cache')}\n`)
  const began = performance.now()
  await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder })
  const seconds = (performance.now() - began) / 1000
  await rm(folder, { recursive: true, force: true })
  return seconds
}

function megabytes(kib: number): string {
  return `${((kib * 1024) / 1e6).toFixed(1)} MB`
}

function row(name: string, ours: string, target = '', met = true): Row {
  return { name, ours, peer: '', ratio: undefined, target, met }
}
