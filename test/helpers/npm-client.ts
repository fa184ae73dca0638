import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { cleanEnv } from './clean-env.ts'
import { have } from './have.ts'
import type { PackageJson } from './npm-fixtures.ts'
import { tempDir } from './temp-dir.ts'

/** A real package client in a clean HOME that knows one registry. */
export interface NpmClient extends AsyncDisposable {
  /** Run it in a folder; resolves with what it printed. @throws Error with its output when it fails */
  run(cwd: string, ...args: readonly string[]): Promise<string>
  /** Everything that a failing run printed. @throws Error when it does not fail */
  failure(cwd: string, ...args: readonly string[]): Promise<string>
  /** A folder of the client's own with these files, package.json first. */
  folder(name: string, packageJson: object, files?: Readonly<Record<string, string>>): Promise<string>
}

const TIME_LIMIT_MS = 60_000
const execute = promisify(execFile)

export type NpmClientName = 'npm' | 'npm10' | 'npm11' | 'npm12' | 'pnpm' | 'pnpmOld' | 'yarn' | 'yarnBerry' | 'bun'

/**
 * @param registry URL with its trailing slash
 * @param npmrc lines of the .npmrc besides the registry's; by default some token, because none of them publishes without. For yarn 4
 * those of its .yarnrc.yml
 */
export async function npmClient(
  client: NpmClientName,
  registry: string,
  npmrc: readonly string[] = [npmrcLine(registry, '_authToken', 'anything')],
): Promise<NpmClient> {
  const home = await tempDir(client)
  const env = cleanEnv(home.join('home'), settings(home.path, registry))
  const [file, first] =
    client === 'yarnBerry' ? ['.yarnrc.yml', berrySettings(registry)] : ['.npmrc', [`registry=${registry}`]]
  await writeFile(home.join('home', file), [...first, ...npmrc, ''].join('\n'))
  const program = have.paths[client]
  const [command, script] = client.startsWith('npm') ? [process.execPath, [program]] : [program, []]

  async function run(cwd: string, ...args: readonly string[]): Promise<string> {
    const options = { cwd, env, timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' as const, maxBuffer: 64 * 1024 * 1024 }
    try {
      return (await execute(command, [...script, ...args], options)).stdout
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      throw new Error(`${client} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
    }
  }

  return {
    run,
    async failure(cwd, ...args) {
      const output = await run(cwd, ...args).then(
        () => undefined,
        (error: unknown) => String(error),
      )
      if (output === undefined) throw new Error(`${client} ${args.join(' ')} did not fail`)
      return output
    },
    async folder(name, packageJson, files = {}) {
      const folder = home.join('work', name)
      const all = { 'package.json': JSON.stringify(packageJson, null, 2), ...files }
      for (const [file, content] of Object.entries(all)) {
        await mkdir(path.dirname(path.join(folder, file)), { recursive: true })
        await writeFile(path.join(folder, file), content)
      }
      return folder
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  }
}

/** A setting for a registry, or for all below a path: clients look it up by host and path, without the scheme. */
export function npmrcLine(url: string, name: string, value: string): string {
  return `${url.replace(/^https?:/, '')}:${name}=${value}`
}

/** Quiet, without retries; pnpm would keep what was published just now waiting for a day. */
function settings(home: string, registry: string): Record<string, string> {
  const common = { registry, fetch_retries: '0', update_notifier: 'false', audit: 'false', fund: 'false' }
  const pnpm = { registry, minimum_release_age: '0', store_dir: path.join(home, 'pnpm-store') }
  return {
    ...prefixed('npm_config_', { ...common, cache: path.join(home, 'npm-cache') }),
    ...prefixed('pnpm_config_', pnpm),
    npm_config_store_dir: pnpm.store_dir,
  }
}

/** yarn 4 reads no .npmrc, and speaks http to hosts only that it was told of. */
function berrySettings(registry: string): readonly string[] {
  return [
    `npmRegistryServer: ${registry}`,
    'unsafeHttpWhitelist: ["127.0.0.1", "localhost"]',
    'nodeLinker: node-modules',
    'enableTelemetry: false',
    'npmMinimalAgeGate: 0',
    'httpRetry: 0',
  ]
}

function prefixed(prefix: string, values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]))
}

/** Publish a package with one file, from a folder of the client's. */
export async function publishFrom(client: NpmClient, own: PackageJson, ...args: readonly string[]): Promise<void> {
  const code = `module.exports = ${JSON.stringify(`${own.name}@${own.version}`)}\n`
  const folder = await client.folder(`${own.name}@${own.version}`, { main: 'index.js', ...own }, { 'index.js': code })
  await client.run(folder, 'publish', ...args)
}
