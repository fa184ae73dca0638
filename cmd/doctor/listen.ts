import { once } from 'node:events'
import { createServer } from 'node:net'
import { realpath } from 'node:fs/promises'

import { LIMITS } from '../../src/limits.ts'
import { messageOf, systemCode } from '../../src/thrown.ts'
import { parseDatabaseUrl } from '../../storage/database-url.ts'
import type { ServeConfig } from '../settings/config.ts'
import { localUrl } from '../serve/local-url.ts'
import { readSigningKeys } from '../signing/nix-keys.ts'
import { askOnce, isWelcome, probeMs, whyNot } from './ask.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'
import type { ServerContext } from './server-context.ts'
import { holdersOf, listenersOn, type Holder } from './processes.ts'

/** Whether a server could listen where it is to, or who does already. */
export async function checkPort(config: ServeConfig): Promise<readonly Finding[]> {
  const { host, port } = config
  const where = `${host ?? '*'}:${port}`
  if (port === 0) return [ok('any free one')]
  const error = await tryListen(host, port)
  if (error === undefined) return [ok(`${where} is free`)]
  const other = `export DEPOT_LISTEN_ADDR=${host ?? ''}`
  if (systemCode(error) === 'EACCES')
    return [fail(`we may not listen on ${where}: ports below 1024 need privileges`, `${other}:8080`)]
  if (systemCode(error) !== 'EADDRINUSE')
    return [fail(`we cannot listen on ${where}: ${messageOf(error)}`, 'export DEPOT_LISTEN_ADDR=127.0.0.1:8080')]
  const listeners = await listenersOn(port)
  const elsewhere = `${other}:${await freePort(host)}`
  const answer = await askOnce({
    url: new URL(localUrl({ address: host, port })),
    limitMs: LIMITS.doctorProbeMs,
  }).catch(() => undefined)
  if (answer === undefined || !isWelcome(answer)) return [fail(`${where} is taken by ${named(listeners)}`, elsewhere)]
  if (await isOurs(config, listeners)) return [ok(`a depot with this store answers on ${where} (${named(listeners)})`)]
  return [fail(`another depot, with another store, answers on ${where} (${named(listeners)})`, elsewhere)]
}

async function tryListen(host: string | undefined, port: number): Promise<unknown> {
  const server = createServer()
  try {
    server.listen({ port, exclusive: true, ...(host === undefined ? {} : { host }) })
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return undefined
  } catch (error) {
    return error
  }
}

async function freePort(host: string | undefined): Promise<number> {
  const server = createServer().listen({ port: 0, ...(host === undefined ? {} : { host }) })
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Where it cannot be told whose store it is, nothing is said against it. */
async function isOurs({ databaseUrl }: ServeConfig, listeners: readonly Holder[]): Promise<boolean> {
  const location = parseDatabaseUrl(databaseUrl)
  if (location.driver !== 'sqlite' || listeners.length === 0) return true
  const file = await realpath(location.file).catch(() => location.file)
  const holders = await holdersOf(new Set([file]))
  return holders.some(({ server }) => listeners.some((listener) => listener.server === server))
}

function named(listeners: readonly Holder[]): string {
  if (listeners.length === 0) return 'a process of another user'
  return listeners.map(({ program, pid }) => `${program}, process ${pid}`).join('; ')
}

/** Whether what clients are told leads here. */
export async function checkPublicUrl(
  config: ServeConfig,
  { limitMs }: Pick<ServerContext, 'limitMs'>,
): Promise<readonly Finding[]> {
  const { publicUrl } = config
  if (publicUrl === undefined)
    return config.loopback
      ? [skip('none: the Host of each request, on this machine')]
      : [warn('none: npm gets no tarballs beyond this machine', 'depot serve --public-url https://depot.example.org')]
  const look = `curl -v ${publicUrl}/healthz`
  const url = new URL(`${publicUrl}/nix/nix-cache-info`)
  const answer = await askOnce({ url, limitMs: probeMs(limitMs) }).catch(whyNot)
  if (typeof answer === 'string') return [warn(`${publicUrl} does not answer from here: ${answer}`, look)]
  if (answer.status === 401) return [ok(`${publicUrl} answers, and asks for credentials`)]
  if (answer.status !== 200) return [fail(`${publicUrl} answers as no depot does: status ${answer.status}`, look)]
  const keys = (await readSigningKeys(config)).map(({ key }) => key.publicKey)
  const same = keys.length === 0 || keys.some((key) => answer.text.includes(`PublicKey: ${key}`))
  return [
    same
      ? ok(`${publicUrl} leads to a depot with our keys`)
      : fail(`${publicUrl} leads to a depot with other keys`, look),
  ]
}
