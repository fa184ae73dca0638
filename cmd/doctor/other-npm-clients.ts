import path from 'node:path'

import { npmRegistry } from '../token/formats.ts'
import { asText, readUserFile } from '../user-file.ts'
import type { ClientContext } from './client-context.ts'
import { ok, skip, warn, type Finding } from './finding.ts'
import { runProgram } from './run-program.ts'

/** pnpm reads npm's files; what it makes of them it says itself. */
export async function checkPnpm(context: ClientContext): Promise<readonly Finding[]> {
  const said = await runProgram('pnpm', ['config', 'get', 'registry'], context)
  if (said === undefined) return [skip('pnpm is not installed here')]
  const ours = said.replace(/\/*$/, '/') === npmRegistry(context.url)
  return [ours ? ok(`its registry is ${said}`) : warn(`pnpm installs from ${said}`, context.use('npm'))]
}

/** yarn 4 reads no .npmrc. It is not started: the `yarn` of corepack would be downloaded first. */
export async function checkYarn({ url, cwd, env }: ClientContext): Promise<readonly Finding[]> {
  const said = env['YARN_NPM_REGISTRY_SERVER'] ?? (await berryRegistry(cwd))
  if (said === undefined) return [skip('no .yarnrc.yml here: yarn 1 goes by .npmrc')]
  if (said.replace(/\/*$/, '/') === npmRegistry(url)) return [ok(`its registry is ${said}`)]
  return [
    warn(
      `yarn 4 installs from ${said || 'registry.yarnpkg.com'}`,
      `yarn config set npmRegistryServer ${npmRegistry(url)}`,
    ),
  ]
}

/** Of the nearest .yarnrc.yml; empty where it does not say. */
async function berryRegistry(folder: string): Promise<string | undefined> {
  for (let at = folder; ; at = path.dirname(at)) {
    const text = await readUserFile(path.join(at, '.yarnrc.yml')).catch(() => undefined)
    if (text !== undefined)
      return /^npmRegistryServer:\s*["']?(?<url>[^"'\s]+)/m.exec(asText(text))?.groups?.['url'] ?? ''
    if (path.dirname(at) === at) return undefined
  }
}
