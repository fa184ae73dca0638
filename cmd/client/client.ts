import { hostname } from 'node:os'
import path from 'node:path'

import type { Signer } from '../../auth/signer.ts'
import { sshTokenSource, storedTokenSource, wholeTokenSource } from '../../auth/ssh-token-source.ts'
import { NO_CREDENTIALS, type TokenSource } from '../../src/client/token-source.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { Connection } from './api.ts'
import { UsageError, type CliIo, type ParsedArgs } from '../cli.ts'
import { askSession, type Session } from './depot-api.ts'
import { depotKey, parseDepotUrl } from './depot-url.ts'
import { lastOf } from '../flags.ts'
import { candidateKeys } from './keys.ts'
import { readProfiles, type Profiles } from './profiles.ts'
import type { Environment } from '../environment.ts'
import { typedToken } from './typed-token.ts'
import { clientName } from '../version.ts'

/** What every command that speaks to a depot takes besides its URL. */
export const CLIENT_ARGS = {
  identity: {
    type: 'string',
    description: 'SSH key to use: its file, its public file, or SHA256:… of one in the agent',
    valueHint: 'KEY',
  },
} as const

/** The positional of these commands. */
export const URL_ARG = {
  type: 'positional',
  description: 'URL of the depot (default: DEPOT_URL, or the one of the last login)',
  required: false,
} as const

/** For their help. */
export const CREDENTIALS_NOTE =
  'Credentials: --identity KEY; else DEPOT_AUTH_TOKEN; else the key that DEPOT_SSH_KEY names; else the keys of the SSH\n' +
  'agent, then ~/.ssh/id_ed25519, id_ecdsa and id_rsa. A depot that asks for none gets none.'

export interface OpenDepotOptions {
  /** As it was typed; without it, the depot of the last login. */
  readonly url?: string | undefined
  readonly flags: ParsedArgs['flags']
  readonly env: Environment
  readonly io: CliIo
}

export interface OpenedDepot extends Connection {
  readonly url: URL
  readonly credentials: TokenSource
  /** Who we are there, for people: `me@host (ssh-ed25519 SHA256:…)`. */
  readonly who: string
  /** What to remember of the key that worked, if one did: its file or fingerprint. */
  readonly identity?: string
  /** What the depot said; absent for a token that was not tried. */
  readonly session?: Session
}

/**
 * Find the depot, and what lets us in. A key is tried against the depot before it is taken; a token, of `--token` where a command has
 * that or of `DEPOT_AUTH_TOKEN`, is not.
 *
 * @throws UsageError without a URL or with a bad one; DepotError `UNAUTHENTICATED` saying what was tried and what to do, and
 * `STORAGE_DOWN` when the depot cannot be reached.
 */
export async function openDepot(options: OpenDepotOptions): Promise<OpenedDepot> {
  const typed = await typedToken(options.flags, options.io)
  const token = typed ?? options.env['DEPOT_AUTH_TOKEN']?.trim() ?? ''
  if (options.flags['identity'] !== undefined || token === '') return openWithKeys(options)
  const { url } = findDepot(options, await readProfiles(options.env))
  const place = typed === undefined ? 'DEPOT_AUTH_TOKEN' : '--token'
  return { url, credentials: storedTokenSource(token), who: `the token of ${place}` }
}

/** As `openDepot`, by SSH keys only: what `depot login` remembers. */
export async function openWithKeys(options: OpenDepotOptions): Promise<OpenedDepot & { readonly session: Session }> {
  const profiles = await readProfiles(options.env)
  const { url } = findDepot(options, profiles)
  const key = depotKey(url)
  const remembered = Object.hasOwn(profiles.depots, key) ? profiles.depots[key]?.identity : undefined
  const named = namedIdentity(options)
  if (named === undefined && remembered === undefined) {
    const { session } = await askSession({ url, credentials: NO_CREDENTIALS })
    if (session !== undefined) return { url, credentials: NO_CREDENTIALS, who: 'anonymous', session }
  }
  return tryKeys({ url, env: options.env, named, remembered })
}

/** Who the depot takes us for. @throws DepotError `UNAUTHENTICATED` when it does not take what we show */
export async function sessionOf(depot: OpenedDepot): Promise<Session> {
  const session = depot.session ?? (await askSession(depot)).session
  if (session !== undefined) return session
  throw new DepotError(
    'UNAUTHENTICATED',
    `${depotKey(depot.url)} does not, or no longer, take ${depot.who}; 'depot login' tries your SSH keys`,
  )
}

/** The depot that is meant. @throws UsageError */
export function findDepot(
  { url: typed, env, io }: Pick<OpenDepotOptions, 'url' | 'env' | 'io'>,
  { current }: Profiles,
): { readonly url: URL } {
  const text = typed ?? (env['DEPOT_URL'] || current)
  if (text === undefined) throw new UsageError('which depot? Give its URL, or log in once: depot login URL')
  const { url, note } = parseDepotUrl(text)
  if (note !== undefined) io.err(`depot: ${note}`)
  return { url }
}

function namedIdentity({ flags, env }: OpenDepotOptions): string | undefined {
  const named = lastOf(flags, 'identity') ?? env['DEPOT_SSH_KEY']
  if (named === undefined || named === '') return undefined
  return named.startsWith('SHA256:') || named.startsWith('~/') ? named : path.resolve(named)
}

interface KeyTrial {
  readonly url: URL
  readonly env: Environment
  readonly named: string | undefined
  readonly remembered: string | undefined
}

async function tryKeys({
  url,
  env,
  named,
  remembered,
}: KeyTrial): Promise<OpenedDepot & { readonly session: Session }> {
  const refused: Signer[] = []
  const unusable: string[] = []
  let aheadSeconds = 0
  for await (const signer of candidateKeys({ env, named, remembered, onRefused: (why) => unusable.push(why) })) {
    const source = { signer, url, issuer: clientName() }
    const { session, answer } = await askSession({ url, credentials: wholeTokenSource(source) })
    if (session !== undefined) {
      const identity = named ?? signer.fingerprint
      const credentials = sshTokenSource(source)
      return { url, credentials, who: nameOf(session, signer), identity, session }
    }
    aheadSeconds = answer.aheadSeconds
    refused.push(signer)
    if (refused.length === KEYS_MAX) break
  }
  throw new DepotError('UNAUTHENTICATED', refusal({ url, env, refused, unusable, aheadSeconds }))
}

/** A depot never says which keys it knows; whoever tries many is slowed down. */
const KEYS_MAX = 5

function nameOf({ principal, open }: Session, { comment, type, fingerprint }: Signer): string {
  if (open) return 'anonymous'
  return `${principal.name === '' ? comment : principal.name} (${type} ${fingerprint})`
}

interface Refusal {
  readonly url: URL
  readonly env: Environment
  readonly refused: readonly Signer[]
  readonly unusable: readonly string[]
  /** Of the depot's clock. */
  readonly aheadSeconds: number
}

function refusal({ url, env, refused, unusable, aheadSeconds }: Refusal): string {
  const lines = refused.map(({ type, fingerprint, comment }) => `tried ${type} ${fingerprint} ${comment}`)
  const [first] = refused
  if (Math.abs(aheadSeconds) > LIMITS.clockSkewSeconds) {
    const way = aheadSeconds > 0 ? 'behind' : 'ahead of'
    lines.push(`this machine's clock is ${Math.abs(aheadSeconds)} s ${way} the depot's: set it, and try again`)
  }
  if (first === undefined) lines.push('there is no SSH key to try: make one with ssh-keygen -t ed25519')
  else lines.push('if you should be let in, its operator adds this line to the auth file:', authLine(first, env))
  return [`${depotKey(url)} does not let you in`, ...unusable, ...lines].join('\n  ')
}

/** A key from a file is called by its path, which says nothing to anybody else: ssh-keygen's own name for it does. */
function authLine({ publicKey, comment }: Signer, env: Environment): string {
  const name = path.isAbsolute(comment) ? `${env['USER'] ?? env['LOGNAME'] ?? 'somebody'}@${hostname()}` : comment
  return `w ${publicKey} ${name}`.trimEnd()
}
