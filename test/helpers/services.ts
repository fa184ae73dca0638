import { execFile } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'

import { tempDir } from './temp-dir.ts'

/** Servers that tests share, and the variable that says where each is. */
const VARIABLES = {
  postgres: 'DEPOT_TEST_POSTGRES_URL',
  s3: 'DEPOT_TEST_S3_URL',
  s3Second: 'DEPOT_TEST_S3_SECOND_URL',
  s3Odd: 'DEPOT_TEST_S3_ODD_URL',
} as const

/** Where each server should answer; absent when this host has none. An S3 server's URL carries its credentials. */
export type ServiceUrls = { readonly [Server in keyof typeof VARIABLES]?: string }

export interface Services extends AsyncDisposable {
  readonly urls: ServiceUrls
}

/**
 * Servers for the tests: those the environment names and those a developer has started with `test/services.sh`, else ones of
 * this run alone, stopped when disposed.
 */
export async function startServices(): Promise<Services> {
  const urls = { ...(await services('status').catch(() => ({}))), ...urlsIn((name) => process.env[name]) }
  if (Object.keys(urls).length > 0) return { urls, [Symbol.asyncDispose]: async () => {} }
  const folder = await tempDir('services')
  const env = { DEPOT_TEST_DIR: folder.join('s'), SECOND_S3: '1', ODD_S3: '1' }
  await run('chmod', ['0711', folder.path])
  return {
    urls: await services('start', env),
    async [Symbol.asyncDispose]() {
      await services('stop', env)
      await folder[Symbol.asyncDispose]()
    },
  }
}

const run = promisify(execFile)
const SCRIPT = new URL('../services.sh', import.meta.url).pathname
const TIME_LIMIT_MS = 90_000

/** Run `test/services.sh` and return the addresses that it exports. */
async function services(verb: string, env: Record<string, string> = {}): Promise<ServiceUrls> {
  const { stdout } = await run(SCRIPT, [verb], { env: { ...process.env, ...env }, timeout: TIME_LIMIT_MS })
  return urlsIn((name) => new RegExp(`^export ${name}=(\\S+)$`, 'm').exec(stdout)?.[1])
}

function urlsIn(valueOf: (variable: string) => string | undefined): ServiceUrls {
  const found = Object.entries(VARIABLES).map(([server, variable]) => [server, valueOf(variable)] as const)
  return Object.fromEntries(found.filter(([, url]) => url !== undefined))
}
