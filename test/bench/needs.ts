import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { type Found } from '../helpers/probe.ts'
import { TOOLS } from '../helpers/tools.ts'
import { output } from './load.ts'

/** A program that a section starts. */
interface Need {
  /** Its version as it tells it, or undefined where it is missing. */
  version(): Promise<string | undefined>
  readonly install: string
}

/** What the sections need beside Node, and how one gets it. */
export const NEEDS = {
  wrk: debian('wrk', 'wrk -v 2>&1 | head -1', /wrk (?:debian\/)?(\S+)/),
  nginx: debian('nginx-light', 'nginx -v 2>&1', /nginx\/(\S+)/),
  postgres: debian('postgresql', '/usr/lib/postgresql/*/bin/postgres --version | tail -1', /([\d.]+)/),
  curl: debian('curl', 'curl --version | head -1', /curl (\S+)/),
  zstd: debian('zstd', 'zstd --version', /v([\d.]+)/),
  xz: debian('xz-utils', 'xz --version | head -1', /([\d.]+)$/m),
  nix: debian('nix-bin', 'nix --version', /([\d.]+)/),
  verdaccio: installed(TOOLS.verdaccio, 'test/tools.sh peers'),
  devpi: installed(TOOLS.devpi, 'test/tools.sh peers'),
  pypiserver: installed(TOOLS.pypiserver, 'test/tools.sh peers'),
  npm: installed(TOOLS.npm12, 'test/tools.sh'),
  pnpm: installed(TOOLS.pnpm, 'test/tools.sh'),
  uv: installed(TOOLS.uv, 'test/tools.sh'),
  twine: installed(TOOLS.twine, 'test/tools.sh'),
} satisfies Record<string, Need>

export type NeedName = keyof typeof NEEDS

/** Those of `names` that are missing. */
export async function missingOf(names: readonly NeedName[]): Promise<readonly NeedName[]> {
  const found = await Promise.all(names.map((name) => NEEDS[name].version()))
  return names.filter((_, index) => found[index] === undefined)
}

/** Lines that say what to install. */
export function howToInstall(missing: readonly NeedName[]): readonly string[] {
  return missing.map((name) => `${name} is missing: ${NEEDS[name].install}`)
}

/** Name and version of each, Node first. */
export async function versionsOf(names: readonly NeedName[]): Promise<string> {
  const versions = await Promise.all(names.map(async (name) => `${name} ${(await NEEDS[name].version()) ?? 'missing'}`))
  return [`Node ${process.versions.node}`, ...versions].join(', ')
}

/** Build the depot, which the sections start, where that was not done; one that is there is measured as it is. */
export async function ensureBuilt(): Promise<void> {
  const root = path.join(import.meta.dirname, '..', '..')
  if (existsSync(path.join(root, 'dist', 'cmd', 'depot.js'))) return
  await output('npm', ['run', '--silent', '--prefix', root, 'build'])
}

function debian(name: string, command: string, pattern: RegExp): Need {
  return {
    install: `apt-get install ${name}`,
    async version() {
      const text = await output('sh', ['-c', `{ ${command}; } 2>/dev/null || true`])
      return pattern.exec(text)?.[1]
    },
  }
}

/** Installed by `test/tools.sh` into a folder that has its version in its name. */
function installed(find: () => Promise<Found>, command: string): Need {
  return {
    install: command,
    async version() {
      const found = await find()
      if (!('path' in found)) return undefined
      return /-(\d[\w.]*)\//.exec(found.path)?.[1] ?? 'of this machine'
    },
  }
}
