import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { tool } from '../helpers/tools.ts'
import { mediansInTurn, output, secondsFor } from './load.ts'
import { treeRoots } from './npm-storage.ts'
import type { Row } from './report.ts'
import { EQUAL, timeRows } from './rows.ts'

const ROUNDS = 3
/** Nobody waits for a funding list, an audit or a newer npm. */
const NPM_FLAGS = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-update-notifier', '--loglevel=error']

/** What a user waits for: so many packages from each registry in turn, each time with an empty cache, with and without a lock file. */
export async function npmInstalls(
  dir: string,
  count: number,
  registries: Readonly<Record<string, string>>,
): Promise<readonly Row[]> {
  for (const [name, url] of Object.entries(registries)) await npm(folder(dir, 'lock', name), url, LOCK_ONLY)
  const fresh = await mediansInTurn(ROUNDS, registries, (url, name, round) =>
    npm(folder(dir, `install-${round}`, name), url, ['install']),
  )
  const clean = await mediansInTurn(ROUNDS, registries, (url, name, round) => {
    const app = folder(dir, `ci-${round}`, name)
    copyFileSync(path.join(dir, 'lock', name, 'package-lock.json'), path.join(app, 'package-lock.json'))
    return npm(app, url, ['ci'])
  })
  return [
    ...rows(`\`npm install\` of ${count} packages without a lock file`, fresh),
    ...rows(`\`npm ci\` of ${count} packages`, clean),
    ...rows(`\`pnpm install\` of ${count} packages without a lock file`, await pnpmInstalls(dir, registries)),
  ]
}

const LOCK_ONLY = ['install', '--package-lock-only']

function pnpmInstalls(
  dir: string,
  registries: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, number>>> {
  const script = tool('pnpm', 'PNPM', 'node_modules/.bin/pnpm')
  return mediansInTurn(ROUNDS, registries, (registry, name, round) => {
    const app = folder(dir, `pnpm-${round}`, name)
    const flags = ['--ignore-scripts', '--no-frozen-lockfile', '--reporter=silent', `--registry=${registry}/`]
    const own = ['home', 'store', 'cache'].map((part) => path.join(app, part))
    const [home = '', store = '', cache = ''] = own
    const folders = [`--dir=${app}`, `--store-dir=${store}`, `--cache-dir=${cache}`]
    const env = ['-i', `HOME=${home}`, `PATH=${path.dirname(process.execPath)}:${process.env['PATH'] ?? ''}`]
    return secondsFor(() => output('env', [...env, script, 'install', ...flags, ...folders]))
  })
}

function rows(name: string, { depot = NaN, ...peers }: Readonly<Record<string, number>>): readonly Row[] {
  return timeRows(name, depot, peers, Object.fromEntries(Object.keys(peers).map((peer) => [peer, EQUAL])))
}

/** A folder with nothing but a package.json that asks for all. */
function folder(dir: string, kind: string, name: string): string {
  const app = path.join(dir, kind, name)
  mkdirSync(app, { recursive: true })
  const dependencies = Object.fromEntries(treeRoots().map((root) => [root, '^1.0.0']))
  writeFileSync(path.join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', dependencies }))
  return app
}

function npm(app: string, registry: string, command: readonly string[]): Promise<number> {
  const script = tool('npm', 'NPM_12', 'node_modules/npm/bin/npm-cli.js')
  const folders = [`--prefix=${app}`, `--cache=${app}/cache`, `--userconfig=${app}/npmrc`]
  return secondsFor(() =>
    output(process.execPath, [script, ...command, ...NPM_FLAGS, ...folders, `--registry=${registry}/`]),
  )
}
