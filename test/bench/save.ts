import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { tool } from '../helpers/tools.ts'
import { median, roundsOf } from './load.ts'
import type { Row } from './run.ts'

const run = promisify(execFile)
const ROUNDS = 3
const DEPOT = path.join(import.meta.dirname, '..', '..', 'dist', 'cmd', 'depot.js')

/**
 * What locks ask for, fetched from the registry and the index that this machine's npm and pip are set to: beside `npm ci`, and beside uv
 * and pip, each with an empty cache, in turn. The second save finds everything there.
 */
export async function save(dir: string): Promise<readonly Row[]> {
  return [...(await npmRows(path.join(dir, 'npm'))), ...(await pythonRows(path.join(dir, 'python')))]
}

/** Some 300 packages in all. */
const NPM_PACKAGES = { jest: '29.7.0', express: '4.21.2', lodash: '4.17.21' }

async function npmRows(dir: string): Promise<readonly Row[]> {
  await mkdir(dir, { recursive: true })
  await writeFile(path.join(dir, 'package.json'), JSON.stringify({ name: 'shop', dependencies: NPM_PACKAGES }))
  const npm = (args: readonly string[]): Promise<number> =>
    timed('npm', [...args, '--ignore-scripts', '--no-audit', '--cache', path.join(dir, 'cache')], dir)
  await npm(['install', '--package-lock-only'])
  const saved = (): Promise<number> => timed(process.execPath, [DEPOT, 'npm', 'save', 'package-lock.json'], dir)
  const [ours, theirs, second] = await rounds(dir, ['cache', 'node_modules', '.depot-storage'], saved, () =>
    npm(['ci']),
  )
  const count = (await run('find', ['.depot-storage', '-name', '*.tgz'], { cwd: dir })).stdout.trim().split('\n').length
  return [
    row(`npm lock of ${count} packages saved cold; npm ci, s`, ours, theirs, 1),
    row('the same once more; the first time, s', second, ours, 20),
  ]
}

/** Some 40 projects with what they need. */
const PYTHON_PROJECTS = ['jupyterlab==4.3.4', 'requests==2.32.3']

async function pythonRows(dir: string): Promise<readonly Row[]> {
  await mkdir(dir, { recursive: true })
  const uv = tool('uv', 'UV', 'bin/uv')
  await writeFile(path.join(dir, 'requirements.in'), PYTHON_PROJECTS.join('\n'))
  await run(uv, ['pip', 'compile', 'requirements.in', '--generate-hashes', '-o', 'requirements.txt'], { cwd: dir })
  const saving = [
    'python',
    'save',
    '-r',
    'requirements.txt',
    '--python',
    '3.11',
    '--platform',
    'linux-x86_64',
    '--no-build-requirements',
  ]
  const saved = (): Promise<number> => timed(process.execPath, [DEPOT, ...saving], dir)
  const pip = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--no-cache-dir',
    '--require-hashes',
    '-q',
    '-d',
    'files',
    '-r',
    'requirements.txt',
  ]
  const [ours, theirs, second] = await rounds(dir, ['files', '.depot-storage'], saved, () => timed('python3', pip, dir))
  const sync = [
    'pip',
    'install',
    '--no-deps',
    '--no-cache',
    '--target',
    'env',
    '--require-hashes',
    '-r',
    'requirements.txt',
  ]
  const installs: number[] = []
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    await rm(path.join(dir, 'env'), { recursive: true, force: true })
    installs.push(await timed(uv, sync, dir))
  }
  const count = (await run('find', ['files', '-type', 'f'], { cwd: dir })).stdout.trim().split('\n').length
  return [
    row(`Python lock of ${count} files saved cold; pip download, s`, ours, theirs, 1),
    row('the same; uv pip install, which also unpacks, s', ours, median(installs), 1),
    row('the same once more; the first time, s', second, ours, 20),
  ]
}

/** Medians of: our first time, theirs, our second time. */
async function rounds(
  dir: string,
  leftovers: readonly string[],
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<readonly [number, number, number]> {
  const [cold, peer, second]: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    for (const name of leftovers) await rm(path.join(dir, name), { recursive: true, force: true })
    peer.push(await theirs())
    cold.push(await ours())
    second.push(await ours())
  }
  return [median(cold), median(peer), median(second)]
}

/** Seconds. @throws Error when the program fails */
async function timed(program: string, args: readonly string[], cwd: string): Promise<number> {
  const start = performance.now()
  await run(program, args, { cwd, maxBuffer: 64 << 20 })
  return (performance.now() - start) / 1000
}

function row(name: string, ours: number, peer: number, target: number): Row {
  const ratio = peer / ours
  return { name, ours: ours.toFixed(2), peer: peer.toFixed(2), ratio, target: `>= ${target}`, met: ratio >= target }
}
