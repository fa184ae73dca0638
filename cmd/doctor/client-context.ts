import type { CliIo, ParsedArgs } from '../cli.ts'
import { below } from '../client/depot-url.ts'
import type { Environment } from '../environment.ts'
import type { UsedClient } from '../use/edits.ts'
import { askOnce, isWelcome, probeMs, whyNot, type Answer } from './ask.ts'
import { rootsIn, shakeHands, trustingFile } from './certificates.ts'
import { skip, type Finding } from './finding.ts'

/** What the checks of a client's machine start from; what several of them want to know is asked once. */
export interface ClientContext {
  readonly url: URL
  readonly env: Environment
  readonly cwd: string
  readonly flags: ParsedArgs['flags']
  /** How long all checks may take. */
  readonly limitMs: number
  readonly io: CliIo
  /** The command that sets a client to this depot. */
  readonly use: (client: UsedClient) => string
  /** A file by which the depot's certificate can be trusted, where Node itself does not; undefined when none is needed, or known. */
  caFile(): Promise<string | undefined>
  /** GET below the depot, by roots that somebody here trusts. @throws Error of the network */
  ask(path: `/${string}`, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Why no depot answers there; undefined when one does. */
  silence(): Promise<string | undefined>
  /** Its nix-cache-info as anybody gets it. @throws Error of the network */
  cacheInfo(): Promise<Answer>
}

export type ClientBase = Pick<ClientContext, 'url' | 'env' | 'cwd' | 'flags' | 'io' | 'limitMs' | 'use'>

/** Begin to examine how a depot looks from here. */
export function clientContext(base: ClientBase): ClientContext {
  const { url } = base
  const caFile = once(() => neededFile(base))
  const ask: ClientContext['ask'] = async (path, headers) => {
    const file = await caFile()
    const ca = file === undefined ? undefined : (await rootsIn(file, '')).pem
    return askOnce({
      url: below(url, path),
      limitMs: probeMs(base.limitMs),
      ca,
      ...(headers === undefined ? {} : { headers }),
    })
  }
  return {
    ...base,
    caFile,
    ask,
    silence: once(() => whySilent(ask)),
    cacheInfo: once(() => ask('/nix/nix-cache-info')),
  }
}

/** A check that needs the depot to answer. */
export function withDepot(
  look: (context: ClientContext) => Promise<readonly Finding[]>,
): (context: ClientContext) => Promise<readonly Finding[]> {
  return async (context) => ((await context.silence()) === undefined ? look(context) : [skip('no depot answers')])
}

async function neededFile(base: ClientBase): Promise<string | undefined> {
  if (base.url.protocol === 'http:') return undefined
  const { fault } = await shakeHands(base)
  return fault === undefined ? undefined : trustingFile(base)
}

async function whySilent(ask: ClientContext['ask']): Promise<string | undefined> {
  try {
    const answer = await ask('/')
    if (isWelcome(answer)) return undefined
    const to = answer.headers['location']
    return to === undefined ? `status ${answer.status}, and no depot's words` : `it sends us to ${to}`
  } catch (error) {
    return whyNot(error)
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
