import { basicAuthorization } from '../../src/client/basic.ts'
import { DepotError } from '../../src/errors.ts'

/** npm's settings by name, those of one source. */
export type NpmConfig = ReadonlyMap<string, string>

/** What npm's settings say of registries. */
export interface NpmSettings {
  /** The registry of a package, with its trailing slash: its scope's, or the one for all. */
  registryOf(name: string): URL
  /** The Authorization header for an address, if there is one for its host and path. */
  authorization(url: URL): string | undefined
}

/** npmjs, where nobody says otherwise. */
const DEFAULT_REGISTRY = 'https://registry.npmjs.org/'

/**
 * @param sources strongest first: command line, environment, the project's .npmrc, the user's
 * @throws DepotError `BAD_REQUEST` from `registryOf` for a registry that is no http(s) address
 */
export function npmSettings(sources: readonly NpmConfig[]): NpmSettings {
  const get = (key: string): string | undefined => sources.find((source) => source.has(key))?.get(key)
  return {
    registryOf(name) {
      const scope = name.startsWith('@') ? get(`${name.slice(0, name.indexOf('/'))}:registry`) : undefined
      return registryUrl(scope ?? get('registry') ?? DEFAULT_REGISTRY)
    },
    authorization: (url) => authorization(url, get),
  }
}

/**
 * Read an .npmrc: lines of `key = value`, with `${NAME}` for variables of the environment. Lists and sections mean nothing here.
 */
export function parseNpmrc(text: string, env: Readonly<Record<string, string | undefined>>): NpmConfig {
  const found = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:[;#[]|$)/.test(line)) continue
    const at = line.indexOf('=')
    if (at === -1) continue
    found.set(expand(unquoted(line.slice(0, at)), env), expand(unquoted(line.slice(at + 1)), env))
  }
  return found
}

/** The settings in the environment: `npm_config_registry`, `NPM_CONFIG_REGISTRY`, `npm_config_//host/:_authToken`. */
export function npmEnvironment(env: Readonly<Record<string, string | undefined>>): NpmConfig {
  const found = new Map<string, string>()
  for (const [variable, value] of Object.entries(env)) {
    if (!/^npm_config_/i.test(variable) || value === undefined || value === '') continue
    const name = variable.slice('npm_config_'.length)
    // A key that begins with an address is taken as it is, as npm does.
    found.set(name.startsWith('//') ? name : name.toLowerCase().replaceAll(/(?!^)_/g, '-'), value)
  }
  return found
}

function registryUrl(text: string): URL {
  const url = URL.parse(text.endsWith('/') ? text : `${text}/`)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new DepotError('BAD_REQUEST', 'a registry that npm is set to is no http or https address: see --registry')
  return url
}

/** The longest key counts: it is looked for up the path, with and without a slash at its end (npm-registry-fetch's auth.js). */
function authorization({ host, pathname }: URL, get: (key: string) => string | undefined): string | undefined {
  for (let key = `//${host}${pathname}`; key.length > 2; key = key.replace(/(?:[^/]+|\/)$/, '')) {
    const token = get(`${key}:_authToken`)
    if (token !== undefined) return `Bearer ${token}`
    const pair = get(`${key}:_auth`)
    if (pair !== undefined) return `Basic ${pair}`
    const [user, password] = [get(`${key}:username`), get(`${key}:_password`)]
    if (user !== undefined && password !== undefined) {
      const plain = Buffer.from(password, 'base64').toString('utf8')
      return basicAuthorization(user, plain)
    }
  }
  return undefined
}

/** A blank before `;` or `#` begins a comment; quotes keep everything. */
function unquoted(text: string): string {
  const trimmed = text.trim()
  const quoted = /^(?:"(?<double>[^"]*)"|'(?<single>[^']*)')$/.exec(trimmed)?.groups
  return quoted?.['double'] ?? quoted?.['single'] ?? trimmed.replace(/\s+[;#].*$/, '')
}

/** Variables that are not set stay as they are written, unless `?` says that nothing may stand there. */
function expand(text: string, env: Readonly<Record<string, string | undefined>>): string {
  return text.replaceAll(/(?<!\\)\$\{(?<name>[^${}?]+)(?<maybe>\?)?\}/g, (whole, name: string, maybe?: string) => {
    return (Object.hasOwn(env, name) ? env[name] : undefined) ?? (maybe === undefined ? whole : '')
  })
}
