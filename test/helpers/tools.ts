import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { parseEnv } from 'node:util'

import { type Found, nodeScript, onPath, program, runs } from './probe.ts'

const HINT = 'test/tools.sh installs it'
const PINS = parseEnv(readFileSync(new URL('../tools.env', import.meta.url), 'utf8'))
const FOLDER = process.env['DEPOT_TEST_TOOLS'] ?? path.join(homedir(), '.cache/depot-tools')

/** What `test/tools.sh` installs, each in the version of `test/tools.env`. */
export const TOOLS = {
  nixNew: () => program([process.env['DEPOT_TEST_NIX_NEW'], tool('nix', 'NIX_NEW', 'nix')], `no nix 2.26 (${HINT})`),
  node26: () => program([tool('node', 'NODE_26', 'node_modules/.bin/node')], `no Node 26 (${HINT})`),
  npm10: () => npm('NPM_10'),
  npm11: () => npm('NPM_11'),
  npm12: () => npm('NPM_12'),
  pnpm: () => program([tool('pnpm', 'PNPM', 'node_modules/.bin/pnpm'), onPath('pnpm')], `no pnpm (${HINT})`),
  pnpmOld: () => program([tool('pnpm', 'PNPM_OLD', 'node_modules/.bin/pnpm')], `no pnpm 10 (${HINT})`),
  yarn: () => program([tool('yarn', 'YARN_1', 'node_modules/.bin/yarn')], `no yarn 1 (${HINT})`),
  yarnBerry: () => program([tool('yarn', 'YARN_BERRY', 'node_modules/.bin/yarn')], `no yarn 4 (${HINT})`),
  bun: () => program([tool('bun', 'BUN', 'node_modules/.bin/bun')], `no bun (${HINT})`),
  pip: () => program([tool('pip', 'PIP', 'bin/pip'), onPath('pip3')], `no pip (${HINT})`),
  pip25: () => environment('pip', 'PIP_25'),
  pip24: () => environment('pip', 'PIP_24'),
  pip23Late: () => environment('pip', 'PIP_23_2'),
  pip23: () => environment('pip', 'PIP_23_0'),
  pip22: () => environment('pip', 'PIP_22'),
  pipOld: () => environment('pip', 'PIP_OLD'),
  pip19: () => environment('pip', 'PIP_19'),
  uv: () => program([tool('uv', 'UV', 'bin/uv'), onPath('uv')], `no uv (${HINT})`),
  twine: () => program([tool('twine', 'TWINE', 'bin/twine'), onPath('twine')], `no twine (${HINT})`),
  poetry: () => environment('poetry', 'POETRY'),
  pdm: () => environment('pdm', 'PDM'),
  pipenv: () => environment('pipenv', 'PIPENV'),
  pipTools: () => environment('pip-tools', 'PIP_TOOLS', 'pip-compile'),
  hatch: () => environment('hatch', 'HATCH'),
  flit: () => environment('flit', 'FLIT'),
  verdaccio,
  pypiserver: () => environment('pypiserver', 'PYPISERVER', 'pypi-server'),
  devpi: () => environment('devpi-server', 'DEVPI'),
  backends,
} satisfies Record<string, () => Promise<Found>>

/** Where `test/tools.sh` puts a program, and `test/tools.sh peers` a server: its name, the pin of its version, and the file inside. */
export function tool(name: string, pin: string, relative: string): string {
  return path.join(FOLDER, `${name}-${PINS[pin] ?? ''}`, relative)
}

function npm(pin: string): Promise<Found> {
  const script = tool('npm', pin, 'node_modules/npm/bin/npm-cli.js')
  return nodeScript([script], `no npm ${PINS[pin] ?? ''} (${HINT})`)
}

/**
 * A program in a virtual environment. Its interpreter runs and knows the package; starting each of these programs itself would cost
 * every test run ten seconds.
 */
async function environment(name: string, pin: string, script = name): Promise<Found> {
  const file = tool(name, pin, `bin/${script}`)
  const version = ['-c', 'import importlib.metadata, sys; importlib.metadata.version(sys.argv[1])', name]
  const usable = existsSync(file) && (await runs(tool(name, pin, 'bin/python'), version))
  return usable ? { path: file } : { missing: `no ${name} ${PINS[pin] ?? ''} (${HINT})` }
}

/** As a script for our own Node, and not started to be found: that alone takes it seconds. */
async function verdaccio(): Promise<Found> {
  const file = tool('verdaccio', 'VERDACCIO', 'node_modules/verdaccio/bin/verdaccio')
  const installed = existsSync(file) && existsSync(tool('verdaccio', 'VERDACCIO', '.installed'))
  return installed ? { path: file } : { missing: `no verdaccio ${PINS['VERDACCIO'] ?? ''} (${HINT})` }
}

/** The folder of build backends, named as `test/tools.sh` names it. */
async function backends(): Promise<Found> {
  const list = (PINS['BACKENDS'] ?? '').split(' ').map((requirement) => `${requirement}\n`)
  const hash = createHash('sha256').update(list.join('')).digest('hex').slice(0, 12)
  const folder = path.join(FOLDER, `python-backends-${hash}`)
  return existsSync(path.join(folder, '.installed')) ? { path: folder } : { missing: `no build backends (${HINT})` }
}
