import { PUBLIC_INDEX } from '../../protocols/python/save/index-client.ts'
import type { LockOptions } from '../../protocols/python/locks/read-lock.ts'
import { basicAuthorization, userinfoAuthorization } from '../../src/client/basic.ts'
import { UsageError } from '../cli.ts'
import { getIni, PIP_CONF } from '../config-files/ini.ts'
import { netrcLogin } from '../config-files/netrc.ts'
import type { Environment } from '../environment.ts'

/** Everything that may name an index, strongest first. */
export interface IndexSources {
  /** As --index-url and --extra-index-url name them. */
  readonly main: string | undefined
  readonly extra: readonly string[]
  readonly locks: readonly Pick<LockOptions, 'indexUrl' | 'extraIndexUrls'>[]
  readonly env: Environment
  /** Texts of pip's configuration files, strongest first. */
  readonly pipConfigs: readonly string[]
}

/**
 * The indexes to save from, in the order in which they are asked: the further ones before the main one, as uv has it. Where the main one
 * is named by an option, all others are too.
 *
 * @throws UsageError for an address that is none; it is not repeated, because there may be a password in it
 */
export function indexesOf({ main, extra, locks, env, pipConfigs }: IndexSources): readonly URL[] {
  const candidates = [locksSay(locks), environmentSays(env), ...pipConfigs.map(configSays)]
  const named = main ?? candidates.find(({ index }) => index !== undefined)?.index ?? PUBLIC_INDEX
  const others = main === undefined ? [...extra, ...candidates.flatMap(({ others }) => others)] : extra
  return uniqueUrls([...others, named])
}

interface Said {
  readonly index: string | undefined
  readonly others: readonly string[]
}

/** A lock that was made with the public index does not keep anybody from saving from a mirror of it. */
function locksSay(locks: IndexSources['locks']): Said {
  const named = locks.flatMap(({ indexUrl }) => indexUrl ?? [])
  return {
    index: named.find((url) => bare(url) !== bare(PUBLIC_INDEX)),
    others: locks.flatMap(({ extraIndexUrls }) => extraIndexUrls).filter((url) => bare(url) !== bare(PUBLIC_INDEX)),
  }
}

function bare(url: string): string {
  return url.trim().replace(/\/+$/, '')
}

function environmentSays(env: Environment): Said {
  const index = [env['PIP_INDEX_URL'], env['UV_DEFAULT_INDEX'], env['UV_INDEX_URL']].find((url) => url?.trim())
  const others = [env['UV_INDEX'], env['UV_EXTRA_INDEX_URL'], env['PIP_EXTRA_INDEX_URL']]
  return {
    index: index && withoutName(index),
    others: others.flatMap((list) => words(list ?? '')).map(withoutName),
  }
}

/** pip's own command may have settings of its own, which are stronger. */
function configSays(text: string): Said {
  const sections = ['install', 'global']
  const first = (key: string): string | undefined =>
    sections.map((section) => getIni(text, { section, key }, PIP_CONF)).find((value) => value?.trim())
  return { index: first('index-url'), others: words(first('extra-index-url') ?? '') }
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

/** uv gives indexes names: `team=https://…`. */
export function withoutName(index: string): string {
  return index.trim().replace(/^[^:=/]+=/, '')
}

function uniqueUrls(texts: readonly string[]): readonly URL[] {
  const urls = new Map<string, URL>()
  for (const text of texts) {
    const url = URL.parse(text.trim())
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
      throw new UsageError(
        'the address of a Python index must begin with https:// or http://: look at --index-url, PIP_INDEX_URL, UV_DEFAULT_INDEX and pip.conf',
      )
    urls.set(bare(url.href), url)
  }
  return [...urls.values()]
}

/**
 * The Authorization header for an address: the index's own where it is on the same site, else netrc's for the host. netrc knows no
 * protocols: a page that came over https cannot have us show it to everybody on the line.
 */
export function pythonAuthorization(indexes: readonly URL[], netrc: string): (url: URL) => string | undefined {
  return (url) => {
    const index = indexes.find(({ origin, username, password }) => origin === url.origin && username + password !== '')
    if (index !== undefined) return userinfoAuthorization(index)
    const isPlain = url.protocol === 'http:' && indexes.every(({ protocol }) => protocol === 'https:')
    const entry = isPlain ? undefined : netrcLogin(netrc, url.hostname)
    return entry && basicAuthorization(entry.login, entry.password)
  }
}

/** What uv and pip may know of the user's environment: where they keep things, and how they reach others. */
const KEPT = new Set(
  'PIP_CERT PIP_CLIENT_CERT PIP_PROXY PIP_TRUSTED_HOST PIP_CACHE_DIR PIP_DEFAULT_TIMEOUT PIP_RETRIES UV_CACHE_DIR UV_PYTHON_INSTALL_DIR UV_NATIVE_TLS UV_SYSTEM_CERTS UV_INSECURE_HOST UV_HTTP_TIMEOUT UV_CONCURRENT_DOWNLOADS'.split(
    ' ',
  ),
)

/**
 * Variables for uv and pip, so that they find what we name and nothing else: what the user has set for other purposes, an index or a
 * folder of wheels among them, is taken away, and so are their configuration files. Of those, what says how to reach a host stays.
 */
export function resolverEnvironment(
  env: Environment,
  { nowhere, pipConfigs }: { readonly nowhere: string; readonly pipConfigs: readonly string[] },
): Readonly<Record<string, string | undefined>> {
  const hidden = Object.keys(env).filter((name) => /^(?:PIP|UV)_/.test(name) && !KEPT.has(name))
  const reach = Object.entries(REACHING).flatMap(([key, name]) => {
    const value = pipConfigs
      .map((text) => getIni(text, { section: 'global', key }, PIP_CONF))
      .find((said) => said?.trim())
    return value === undefined || env[name] !== undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(hidden.map((name) => [name, undefined])),
    ...Object.fromEntries(reach),
    UV_NO_CONFIG: '1',
    UV_PYTHON_DOWNLOADS: 'never',
    PIP_CONFIG_FILE: nowhere,
    PIP_NO_INPUT: '1',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_COLOR: '1',
    NO_COLOR: '1',
    VIRTUAL_ENV: undefined,
  }
}

const REACHING = { cert: 'PIP_CERT', proxy: 'PIP_PROXY', 'trusted-host': 'PIP_TRUSTED_HOST' } as const
