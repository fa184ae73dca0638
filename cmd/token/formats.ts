import type { TokenInfo } from '../client/depot-api.ts'
import { below, depotKey } from '../client/depot-url.ts'

/** A token, and the depot that it is for. */
export interface PrintedToken {
  readonly url: URL
  readonly token: string
  /** Nix public keys of the depot. */
  readonly publicKeys: readonly string[]
}

/** How a token is printed: what is pasted into which file. */
export const TOKEN_FORMATS = {
  token: ({ token }) => [token],
  netrc: netrcLine,
  npmrc: ({ url, token }) => [`registry=${npmRegistry(url)}`, `${npmTokenKey(url)}=${token}`],
  pip: (printed) => [
    '# pip.conf: the address, without credentials',
    '[global]',
    `index-url = ${pythonIndex(printed.url)}`,
    '# ~/.netrc: pip finds the token by the host',
    ...netrcLine(printed),
  ],
  uv: (printed) => [
    '# uv.toml',
    '[[index]]',
    'name = "depot"',
    `url = "${pythonIndex(printed.url)}"`,
    'default = true',
    '# ~/.netrc, or in the environment: UV_INDEX_DEPOT_USERNAME=depot and the token as UV_INDEX_DEPOT_PASSWORD',
    ...netrcLine(printed),
  ],
  nix: (printed) => [
    '# nix.conf; netrc-file takes a whole path',
    `extra-substituters = ${nixCache(printed.url)}`,
    ...printed.publicKeys.map((key) => `extra-trusted-public-keys = ${key}`),
    'netrc-file = /etc/nix/netrc',
    '# the file that netrc-file names',
    ...netrcLine(printed),
  ],
  env: environment,
} as const satisfies Record<string, (printed: PrintedToken) => readonly string[]>

export type TokenFormat = keyof typeof TOKEN_FORMATS

/** Whether somebody typed the name of a format. */
export function isTokenFormat(text: string): text is TokenFormat {
  return Object.hasOwn(TOKEN_FORMATS, text)
}

/** What is said of a token that was just made, beside the token itself. */
export function madeToken({ id, grants, expiresAt }: TokenInfo): string {
  return `depot: token ${id} (${grants.join(' ')}) is good until ${new Date(expiresAt).toISOString()}`
}

/** Where pip, uv and poetry find the index of a depot. */
export function pythonIndex(url: URL): string {
  return below(url, '/python/simple/').href
}

/** Where Nix finds it. Without a slash at the end: Nix compares such addresses as text. */
export function nixCache(url: URL): string {
  return below(url, '/nix').href
}

/** npm compares it as text, too: with a slash at the end. */
export function npmRegistry(url: URL): string {
  return below(url, '/npm/').href
}

/** The key of an .npmrc under which npm, pnpm, yarn and bun find the token. */
export function npmTokenKey(url: URL): string {
  return `${npmRegistry(url).replace(/^https?:/, '')}:_authToken`
}

/** All on one line, because not every reader takes several; the login is not looked at, but curl wants one. */
function netrcLine({ url, token }: PrintedToken): string[] {
  return [`machine ${netrcHost(url)} login depot password ${token}`]
}

/** The name that curl, Python and uv look for: without the port, and without the brackets of an IPv6 address. */
export function netrcHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

/** Tokens and addresses have no sign that a shell looks at. */
function environment({ url, token }: PrintedToken): string[] {
  return [
    `export DEPOT_URL='${depotKey(url)}'`,
    `export DEPOT_AUTH_TOKEN='${token}'`,
    `# npm reads NODE_AUTH_TOKEN where .npmrc says ${npmTokenKey(url)}=\${NODE_AUTH_TOKEN}`,
    `export NPM_CONFIG_REGISTRY='${npmRegistry(url)}'`,
    `export NODE_AUTH_TOKEN='${token}'`,
    `export TWINE_REPOSITORY_URL='${below(url, '/python/legacy/').href}'`,
    `export TWINE_USERNAME='__token__'`,
    `export TWINE_PASSWORD='${token}'`,
    `export UV_PUBLISH_URL='${below(url, '/python/legacy/').href}'`,
    `export UV_PUBLISH_TOKEN='${token}'`,
    `export UV_DEFAULT_INDEX='depot=${pythonIndex(url)}'`,
    `export UV_INDEX_DEPOT_USERNAME='depot'`,
    `export UV_INDEX_DEPOT_PASSWORD='${token}'`,
  ]
}
