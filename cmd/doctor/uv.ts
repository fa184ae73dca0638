import { pythonIndex } from '../token/formats.ts'
import { bundledRoots, rootsIn, systemRoots, type Roots } from './certificates.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'
import { bareAddress, isDepotIndex, isPublicIndex, judgeIndex } from './python-index.ts'
import { runProgram } from './run-program.ts'
import { shellWord } from './shell-word.ts'
import { judgeTrust } from './trust.ts'
import { readUvSources, type UvSource } from './uv-config.ts'

/** Whether uv, in this folder, installs from the depot, and is let in. */
export async function checkUv(context: ClientContext): Promise<readonly Finding[]> {
  if ((await runProgram('uv', ['--version'], context)) === undefined) return [skip('uv is not installed here')]
  const { url, env, cwd } = context
  const sources = await readUvSources(env, cwd)
  const main = defaultIndex(sources)
  const trust = await judgeTrust(context, 'uv', {
    roots: await uvRoots(context, sources),
    fix: (file) => `export SSL_CERT_FILE=${file}`,
  })
  return [
    ...judgeMain(context, sources),
    ...judgeOthers(url, sources),
    ...judgeStrategy(sources),
    ...judgeInsecure(url, sources),
    ...trust,
    ...(await judgeIndex(context, 'uv', main !== undefined && isDepotIndex(url, main.url) ? main.url : undefined)),
  ]
}

interface Said {
  readonly url: string
  readonly from: string
}

/** The default indexes that anybody names, the one that counts first. */
function defaults(sources: readonly UvSource[]): readonly Said[] {
  return sources.flatMap(({ from, settings }) => {
    const named = settings.index?.find((index) => index.default === true)?.url ?? settings['index-url']
    return named === undefined ? [] : [{ url: named, from }]
  })
}

function defaultIndex(sources: readonly UvSource[]): Said | undefined {
  return defaults(sources)[0]
}

function judgeMain({ url, use: useOf }: ClientContext, sources: readonly UvSource[]): readonly Finding[] {
  const [main, ...hidden] = defaults(sources)
  const use = useOf('uv')
  if (main === undefined) return [warn('uv installs from pypi.org', use)]
  if (isDepotIndex(url, main.url)) return [ok(`its index is ${pythonIndex(url)}`)]
  const message = `uv installs from ${bareAddress(main.url)}`
  const remove =
    main.from === 'a variable' ? 'unset UV_DEFAULT_INDEX UV_INDEX_URL' : `\${EDITOR:-vi} ${shellWord(main.from)}`
  if (hidden.some((other) => isDepotIndex(url, other.url)))
    return [fail(`${message}: ${main.from} is stronger than the file that names the depot`, remove)]
  return [warn(`${message} (${main.from})`, main.from === 'a variable' ? `${remove} && ${use}` : remove)]
}

/** uv asks further indexes first. */
function judgeOthers(url: URL, sources: readonly UvSource[]): readonly Finding[] {
  return sources.flatMap(({ from, settings }) => {
    const further = [
      ...(settings.index ?? [])
        .filter((index) => index.default !== true && index.explicit !== true)
        .map((index) => index.url),
      ...(settings['extra-index-url'] ?? []),
    ].filter((other) => !isDepotIndex(url, other))
    if (further.length === 0) return []
    const danger = further.some(isPublicIndex) ? ': a stranger can publish under your names there' : ''
    return [
      warn(
        `uv asks ${further.map(bareAddress).join(' and ')} before its default index${danger}`,
        from === 'a variable'
          ? 'unset UV_INDEX UV_EXTRA_INDEX_URL'
          : `\${EDITOR:-vi} ${shellWord(from)}   (explicit = true, for single packages)`,
      ),
    ]
  })
}

function judgeStrategy(sources: readonly UvSource[]): readonly Finding[] {
  const source = sources.find(({ settings }) => settings['index-strategy'] !== undefined)
  const strategy = source?.settings['index-strategy'] ?? ''
  if (source === undefined || !strategy.startsWith('unsafe-')) return []
  return [
    warn(
      `uv mixes the versions of all indexes (${strategy}): a stranger can publish under your names`,
      source.from === 'a variable'
        ? 'unset UV_INDEX_STRATEGY'
        : `sed -i '/^index-strategy/d' ${shellWord(source.from)}`,
    ),
  ]
}

function judgeInsecure(url: URL, sources: readonly UvSource[]): readonly Finding[] {
  if (url.protocol === 'http:') return []
  const source = sources.find(({ settings }) =>
    settings['allow-insecure-host']?.some((host) => host === url.host || host === url.hostname),
  )
  if (source === undefined) return []
  return [
    warn(
      `uv does not check the certificate of ${url.host} (allow-insecure-host)`,
      source.from === 'a variable'
        ? 'unset UV_INSECURE_HOST'
        : `sed -i '/^allow-insecure-host/d' ${shellWord(source.from)}`,
    ),
  ]
}

/** uv, "TLS certificates": a file that is named takes the place of everything else. */
async function uvRoots({ env }: ClientContext, sources: readonly UvSource[]): Promise<Roots> {
  const named = env['SSL_CERT_FILE'] ?? ''
  if (named !== '') return rootsIn(named, 'SSL_CERT_FILE')
  const system = sources
    .map(({ settings }) => settings['system-certs'] ?? settings['native-tls'])
    .find((value) => value !== undefined)
  return system === true ? systemRoots(env) : bundledRoots()
}
