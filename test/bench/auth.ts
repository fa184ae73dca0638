import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { findSigners } from '../../auth/identity.ts'
import { sshTokenSource } from '../../auth/ssh-token-source.ts'
import type { TokenSource } from '../../src/client/token-source.ts'
import { fillNix } from './fill.ts'
import { drive, median, sideBySide } from './load.ts'
import { refusalRow } from './refusals.ts'
import type { Row } from './run.ts'
import { startDepot, type BenchServer } from './servers.ts'

const ROUNDS = 5
const SECONDS = 4
const BAD_LOGINS_PER_SECOND = 200
/** Another address than that of the good clients, as far as the server can see. */
const BAD_ADDRESS = '127.0.0.2'

/** What credentials cost: verified ones, bad ones in a flood, and a key that is taken away. */
export async function auth(dir: string): Promise<readonly Row[]> {
  const data = path.join(dir, 'data')
  mkdirSync(data, { recursive: true })
  const target = await filled(data)
  const keyFile = makeKey(dir, 'ed25519')
  const victim = makeKey(dir, 'ecdsa', '521')
  const authFile = path.join(dir, 'auth.keys')
  const line = (permission: string, file: string): string => `${permission} ${readFileSync(`${file}.pub`, 'utf8')}`
  writeFileSync(authFile, line('w', keyFile) + line('w', victim))
  const rows: Row[] = []
  {
    await using depot = await startDepot(data, ['--auth-file', authFile])
    const credentials = await sourceOf(keyFile, depot.url)
    rows.push(...(await verified(depot, target, credentials)))
    rows.push(await flooded(depot, target, await badLogin(victim, depot.url)))
  }
  await using depot = await startDepot(data, ['--auth-file', authFile, '--read-auth', 'always'])
  rows.push(await closed(depot, target, keyFile))
  rows.push(await removed(depot, target, { keyFile, authFile, left: line('w', victim) }))
  return rows
}

/** Reads of those who show nothing, where everybody must. */
async function closed(depot: BenchServer, target: string, keyFile: string): Promise<Row> {
  const load = { url: depot.url + target, connections: 16, seconds: SECONDS }
  const headers = { authorization: await read(await sourceOf(keyFile, depot.url)) }
  return refusalRow('narinfo GET without credentials (401), 16 connections', load, { ...load, headers })
}

async function filled(data: string): Promise<string> {
  await using depot = await startDepot(data)
  return (await fillNix(depot.url, '0'.repeat(32), 10_000)).narinfoPath
}

function makeKey(dir: string, type: string, bits?: string): string {
  const file = path.join(dir, type)
  const size = bits === undefined ? [] : ['-b', bits]
  execFileSync('ssh-keygen', ['-q', '-t', type, ...size, '-N', '', '-f', file])
  return file
}

async function sourceOf(identity: string, url: string): Promise<TokenSource> {
  const found = findSigners({
    home: '/nowhere',
    uid: undefined,
    agentSocket: undefined,
    identity,
    ask: undefined,
    onRefused: () => {},
  })
  for await (const signer of found) return sshTokenSource({ signer, url: new URL(url), issuer: 'bench' })
  throw new Error(`no key in ${identity}`)
}

async function read(credentials: TokenSource): Promise<string> {
  return (await credentials.authorization({ method: 'GET', path: '/' })) ?? ''
}

async function verified(depot: BenchServer, target: string, credentials: TokenSource): Promise<readonly Row[]> {
  const url = depot.url + target
  const plain = () => drive({ url, connections: 16, seconds: SECONDS })
  const shown = async (authorization: () => Promise<string>) =>
    drive({ url, connections: 16, seconds: SECONDS, headers: { authorization: await authorization() } })
  const stored = `Bearer ${await makeToken(depot.url, credentials)}`
  const kinds = [
    ['narinfo GET with an SSH login', () => read(credentials)],
    ['narinfo GET with a stored token', async () => stored],
  ] as const
  const rows: Row[] = []
  for (const [name, authorization] of kinds) {
    const { perSecond, peerPerSecond, ratio, p99Ms } = await sideBySide(ROUNDS, () => shown(authorization), plain)
    rows.push({
      name,
      ours: `${perSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(1)} ms`,
      peer: `without ${peerPerSecond.toFixed(0)}/s`,
      ratio,
      target: '>= 0.9',
      met: ratio >= 0.9,
    })
  }
  return rows
}

async function makeToken(url: string, credentials: TokenSource): Promise<string> {
  const authorization = (await credentials.authorization({ method: 'POST', path: '/-/tokens' })) ?? ''
  const body = JSON.stringify({ name: 'bench', grants: ['nix:read:*'] })
  const answer = await fetch(`${url}/-/tokens`, { method: 'POST', headers: { authorization }, body })
  return ((await answer.json()) as { token: string }).token
}

/** A login of a key that is listed, with a signature of zeros: the dearest kind to refuse. */
async function badLogin(keyFile: string, url: string): Promise<string> {
  const [header, claims, signature = ''] = (await read(await sourceOf(keyFile, url))).split('.')
  return [header, claims, Buffer.alloc(Buffer.from(signature, 'base64url').length, 1).toString('base64url')].join('.')
}

async function flooded(depot: BenchServer, target: string, authorization: string): Promise<Row> {
  // As many as one client of many makes: a machine that is full anyway would show its own queue.
  const good = () => drive({ url: depot.url + target, connections: 2, seconds: SECONDS })
  const quiet: number[] = []
  const loud: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push((await good()).p99Ms)
    using _flood = flood(depot.url + target, authorization)
    loud.push((await good()).p99Ms)
  }
  const ratio = median(loud) / median(quiet)
  return {
    name: `p99 of good clients while ${BAD_LOGINS_PER_SECOND} bad ES512 logins a second come`,
    ours: `${median(loud).toFixed(2)} ms`,
    peer: `without ${median(quiet).toFixed(2)} ms`,
    ratio,
    target: '<= 1.5',
    met: ratio <= 1.5,
  }
}

function flood(url: string, authorization: string): Disposable {
  const timer = setInterval(() => {
    const sent = request(url, { localAddress: BAD_ADDRESS, headers: { authorization } }, (answer) => answer.resume())
    sent.on('error', () => {})
    sent.end()
  }, 1000 / BAD_LOGINS_PER_SECOND)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

interface Removal {
  readonly keyFile: string
  readonly authFile: string
  readonly left: string
}

/** From the moment the file is in its place until a login that was good, and remembered, is refused. */
async function removed(depot: BenchServer, target: string, { keyFile, authFile, left }: Removal): Promise<Row> {
  const authorization = await read(await sourceOf(keyFile, depot.url))
  const status = async (): Promise<number> => (await fetch(depot.url + target, { headers: { authorization } })).status
  if ((await status()) !== 200) throw new Error('the login was not good to begin with')
  writeFileSync(`${authFile}.new`, left)
  renameSync(`${authFile}.new`, authFile)
  const since = performance.now()
  while ((await status()) === 200) await sleep(20)
  const seconds = (performance.now() - since) / 1000
  return {
    name: 'a removed key is refused after',
    ours: `${seconds.toFixed(2)} s`,
    peer: '',
    ratio: undefined,
    target: '<= 6 s',
    met: seconds <= 6,
  }
}
