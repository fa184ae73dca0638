import path from 'node:path'

import { npmSettings, type NpmSettings } from '../../protocols/npm/npm-settings.ts'
import { depotKey } from '../client/depot-url.ts'
import { readNpmSources, type NpmSource } from '../npm/config-files.ts'
import { npmRegistry, npmTokenKey } from '../token/formats.ts'
import { readUserFile } from '../user-file.ts'
import { LIMITS } from '../../src/limits.ts'
import { bundledRoots, rootsIn, systemRoots, type Roots } from './certificates.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'
import { runProgram } from './run-program.ts'
import { shellWord } from './shell-word.ts'
import { judgeTrust } from './trust.ts'

/** Whether npm, in this folder, installs from the depot, and is let in. */
export async function checkNpm(context: ClientContext): Promise<readonly Finding[]> {
  const said = await runProgram('npm', ['config', 'get', 'registry'], context)
  if (said === undefined) return [skip('npm is not installed here')]
  const sources = await readNpmSources({ env: context.env, folder: context.cwd })
  const settings = npmSettings(sources.map(({ config }) => config))
  const trust = await judgeTrust(context, 'npm', {
    roots: await npmRoots(context, sources),
    fix: (file) => `npm config set cafile=${file} --location=user`,
  })
  return [
    ...judgeRegistry(context, said, sources),
    ...judgeScopes(context.url, sources),
    ...trust,
    ...judgeStrictness(sources),
    ...(await judgeLock(context, sources)),
    ...(await judgeToken(context, settings, sources)),
  ]
}

/** Where npm goes, and which of its files says so. */
function judgeRegistry(
  { url, use: useOf }: ClientContext,
  said: string,
  sources: readonly NpmSource[],
): readonly Finding[] {
  if (isOf(url, said)) return [ok(`its registry is ${npmRegistry(url)}`)]
  const saying = sources.find(({ config }) => config.has('registry'))
  const behind = sources.some(({ config }) => isOf(url, config.get('registry') ?? ''))
  const use = useOf('npm')
  if (!behind)
    return [
      warn(
        `npm installs from ${said}`,
        saying === undefined || saying.kind === 'user' ? use : `${removal(saying, 'registry')} && ${use}`,
      ),
    ]
  const where = saying?.file ?? 'a variable'
  return [
    fail(
      `npm installs from ${said}: ${where} is stronger than the file that names the depot`,
      saying === undefined ? use : removal(saying, 'registry'),
    ),
  ]
}

/** npm completes a missing slash itself; a depot answers npm at its root too. */
function isOf(url: URL, registry: string): boolean {
  const plain = registry.replace(/\/*$/, '/')
  return plain === npmRegistry(url) || plain === `${depotKey(url)}/`
}

function removal({ kind, file, config }: NpmSource, key: string): string {
  if (kind === 'environment')
    return `unset npm_config_${key.replaceAll('-', '_')} NPM_CONFIG_${key.replaceAll('-', '_').toUpperCase()}`
  if (kind !== 'project') return `npm config delete ${shellWord(key)} --location=${kind}`
  // npm refuses --location=project in some places; a line is a line.
  const line = `${key}=${config.get(key) ?? ''}`
  return `sed -i '\\|^ *${key} *=|d' ${shellWord(file ?? '')}   # ${line}`.replace(/ {3}# .*$/, '')
}

/** Scopes that go elsewhere: often on purpose, so that it is told and not judged. */
function judgeScopes(url: URL, sources: readonly NpmSource[]): readonly Finding[] {
  const scopes = new Map<string, string>()
  for (const { config } of sources)
    for (const [key, value] of config) if (/^@[^/]+:registry$/.test(key) && !scopes.has(key)) scopes.set(key, value)
  return [...scopes]
    .filter(([, value]) => !isOf(url, value))
    .map(([key, value]) => ok(`${key.replace(/:registry$/, '')} comes from ${value}`))
}

async function npmRoots({ env }: ClientContext, sources: readonly NpmSource[]): Promise<Roots> {
  const value = (key: string): string | undefined => sources.find(({ config }) => config.has(key))?.config.get(key)
  const own = value('cafile')
  if (own !== undefined && own !== '' && own !== 'null') return rootsIn(own, 'cafile')
  const bundled = bundledRoots()
  const extra = env['NODE_EXTRA_CA_CERTS']
  const system = env['NODE_USE_SYSTEM_CA'] === '1' ? (await systemRoots(env)).pem : []
  if (extra === undefined || extra === '') return { pem: [...bundled.pem, ...system], from: bundled.from }
  return {
    pem: [...bundled.pem, ...system, ...(await rootsIn(extra, '')).pem],
    from: `Mozilla's and NODE_EXTRA_CA_CERTS ${extra}`,
  }
}

function judgeStrictness(sources: readonly NpmSource[]): readonly Finding[] {
  const saying = sources.find(({ config }) => config.has('strict-ssl'))
  if (saying === undefined || saying.config.get('strict-ssl') !== 'false') return []
  return [
    warn(
      'npm checks no certificate (strict-ssl=false): whoever is on the way changes packages',
      removal(saying, 'strict-ssl'),
    ),
  ]
}

/** A lock file that names another host keeps npm going there. */
async function judgeLock({ url, cwd }: ClientContext, sources: readonly NpmSource[]): Promise<readonly Finding[]> {
  const replaced = sources
    .find(({ config }) => config.has('replace-registry-host'))
    ?.config.get('replace-registry-host')
  if (replaced === 'always') return []
  const text = await readUserFile(path.join(cwd, 'package-lock.json'), LIMITS.doctorAnswerBytesMax).catch(
    () => undefined,
  )
  const hosts = new Set(
    [...(text ?? '').matchAll(/"resolved": "https?:\/\/(?<host>[^/"]+)\//g)].map(
      ({ groups }) => groups?.['host'] ?? '',
    ),
  )
  const others = [...hosts].filter((host) => host !== url.host && host !== 'registry.npmjs.org' && host !== replaced)
  if (others.length === 0) return []
  return [
    warn(
      `package-lock.json here takes packages from ${others.slice(0, 3).join(', ')}`,
      'npm config set replace-registry-host=always --location=user',
    ),
  ]
}

async function judgeToken(
  { url, silence, ask, cacheInfo, use: useOf }: ClientContext,
  settings: NpmSettings,
  sources: readonly NpmSource[],
): Promise<readonly Finding[]> {
  if ((await silence()) !== undefined) return [skip('no depot answers')]
  const ping = await ask('/npm/-/ping')
  if (ping.status !== 200) return [fail(`npm ping: status ${ping.status}`, `curl -v ${npmRegistry(url)}-/ping`)]
  const closed = (await cacheInfo()).status === 401
  const authorization = settings.authorization(new URL(npmRegistry(url)))
  const use = useOf('npm')
  if (authorization === undefined) {
    const near = sources
      .flatMap(({ config }) => [...config.keys()])
      .find((key) => key.startsWith(`//${url.hostname}`) && key.includes(':_'))
    const hint = near === undefined ? '' : `; there is ${near}, and npm wants ${npmTokenKey(url)}`
    if (closed) return [fail(`reading needs credentials, and npm has none${hint}`, use)]
    return near === undefined
      ? [ok('npm ping is answered; reading needs no token')]
      : [warn(`npm has no token here${hint}`, use)]
  }
  const who = await ask('/npm/-/whoami', { authorization })
  if (who.status === 200) return [ok('the depot knows the token of npm')]
  return who.status === 401 && closed
    ? [fail('the depot does not, or no longer, know the token of npm', use)]
    : [ok('npm ping is answered; nobody asks for a token')]
}
