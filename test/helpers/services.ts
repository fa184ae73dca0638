import { execFile } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'

import { tempDir } from './temp-dir.ts'

export interface Services extends AsyncDisposable {
  /** Undefined when this host has no PostgreSQL. */
  readonly postgresUrl: string | undefined
}

/**
 * Servers for the tests: those the environment names, else those a developer has started with `test/services.sh`, else ones of
 * this run alone, stopped when disposed.
 */
export async function startServices(): Promise<Services> {
  const postgresUrl = process.env['DEPOT_TEST_POSTGRES_URL'] ?? (await services('status').catch(() => undefined))
  if (postgresUrl !== undefined) return { postgresUrl, [Symbol.asyncDispose]: async () => {} }
  const folder = await tempDir('services')
  const env = { DEPOT_TEST_DIR: folder.join('s') }
  await run('chmod', ['0711', folder.path])
  return {
    postgresUrl: await services('start', env),
    async [Symbol.asyncDispose]() {
      await services('stop', env)
      await folder[Symbol.asyncDispose]()
    },
  }
}

const run = promisify(execFile)
const SCRIPT = new URL('../services.sh', import.meta.url).pathname
const TIME_LIMIT_MS = 90_000

/** Run `test/services.sh` and return the address that it exports. */
async function services(verb: string, env: Record<string, string> = {}): Promise<string | undefined> {
  const { stdout } = await run(SCRIPT, [verb], { env: { ...process.env, ...env }, timeout: TIME_LIMIT_MS })
  return /^export DEPOT_TEST_POSTGRES_URL=(?<url>\S+)$/m.exec(stdout)?.groups?.['url']
}
