import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, cp, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { cleanEnv } from './clean-env.ts'
import { have } from './have.ts'
import { nixConfiguration } from './nix-client.ts'
import { tempDir } from './temp-dir.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
/** What the flake may read of the checkout. */
const TRACKED = [
  'LICENSE',
  'README.md',
  'auth',
  'cmd',
  'flake.nix',
  'package-lock.json',
  'package.json',
  'protocols',
  'src',
  'storage',
  'tsconfig.json',
]
/** A build downloads and compiles. */
const LIMIT_MS = 500_000

export interface FlakeWorld extends AsyncDisposable {
  /** The flake of this checkout, as a reference that commands of Nix take. */
  readonly flake: string
  /** A reference to nixpkgs' stand-in. */
  readonly nixpkgs: string
  /** Run `nix` on a store of its own, with the stand-in; resolves with stdout. @throws Error with its output when it fails */
  nix(...args: readonly string[]): Promise<string>
  /** The JSON that `nix eval` prints. */
  evaluate(...args: readonly string[]): Promise<unknown>
  /** A further flake, by its text and the files beside it. Returns a reference to it. */
  folder(name: string, files: Readonly<Record<string, string>>): Promise<string>
  /** Where a path of its store lies on this host. */
  onHost(storePath: string): string
}

/** A copy of the flake, a stand-in for nixpkgs that knows this host, and a Nix that fetches from the registry that npm is set to. */
export async function flakeWorld(part: 'nix' | 'nixNew'): Promise<FlakeWorld> {
  const home = await tempDir('flake')
  const [flake, nixpkgs, store] = [home.join('depot'), home.join('nixpkgs'), home.join('store')]
  await mkdir(path.join(flake, '.ci'), { recursive: true })
  for (const name of TRACKED) await cp(path.join(ROOT, name), path.join(flake, name), { recursive: true })
  await copyFile(path.join(ROOT, '.ci/build.ts'), path.join(flake, '.ci/build.ts'))
  await cp(path.join(ROOT, 'test/fixtures/nixpkgs-stub'), nixpkgs, { recursive: true })
  await writeFile(path.join(nixpkgs, 'host.json'), JSON.stringify(host()))
  await mkdir(home.join('conf'))
  const programs = [process.execPath, have.paths.npm].map((file) => path.dirname(path.dirname(file)))
  // Tarballs are fetched side by side, into a store that nobody keeps.
  const settings = `extra-sandbox-paths = ${programs.join(' ')}\nmax-jobs = 16\nfsync-metadata = false\n`
  await writeFile(home.join('conf', 'nix.conf'), nixConfiguration(home.join('registry.json'), []) + settings)
  await writeFile(home.join('registry.json'), '{"version":2,"flakes":[]}')
  const env = cleanEnv(home.join('home'), { NIX_CONF_DIR: home.join('conf'), NIX_SSL_CERT_FILE: certificates() })

  async function nix(...args: readonly string[]): Promise<string> {
    const all = [...args.slice(0, 1), '--store', store, ...args.slice(1)]
    const options = {
      env,
      cwd: home.path,
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL' as const,
      maxBuffer: 64 * 1024 * 1024,
    }
    return (await promisify(execFile)(have.paths[part], all, options)).stdout
  }

  return {
    flake: `path:${flake}`,
    nixpkgs: `path:${nixpkgs}`,
    nix,
    evaluate: async (...args) => JSON.parse(await nix('eval', '--json', '--no-write-lock-file', ...args)) as unknown,
    async folder(name, files) {
      await mkdir(home.join(name))
      for (const [file, text] of Object.entries(files)) await writeFile(home.join(name, file), text)
      return `path:${home.join(name)}`
    },
    onHost: (storePath) => path.join(store, storePath),
    async [Symbol.asyncDispose]() {
      // A store is read-only, its folders too.
      await promisify(execFile)('chmod', ['-R', 'u+w', home.path])
      await home[Symbol.asyncDispose]()
    },
  }
}

function host(): object {
  return {
    system: process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux',
    path: '/usr/bin:/bin',
    node: process.execPath,
    npm: have.paths.npm,
    registry: have.paths.npmRegistry,
  }
}

/** Whom this host trusts: Nix brings no certificates here. */
function certificates(): string {
  const named = ['NIX_SSL_CERT_FILE', 'SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'].map((name) => process.env[name])
  return [...named, '/etc/ssl/certs/ca-certificates.crt'].find((file) => file !== undefined && existsSync(file)) ?? ''
}
