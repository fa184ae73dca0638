import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'

import { z } from 'zod'

import { nix32OfHex } from '../../protocols/nix/nix32.ts'
import { parseNarinfo } from '../../protocols/nix/narinfo.ts'
import { fingerprint, goodSignatures, parsePublicKey } from '../../protocols/nix/signing.ts'
import { basicAuthorization } from '../../src/client/basic.ts'
import { netrcLogin } from '../config-files/netrc.ts'
import { depotKey } from '../client/depot-url.ts'
import { netrcHost, nixCache } from '../token/formats.ts'
import { asText, readUserFile } from '../user-file.ts'
import { jsonOf, type Answer } from './ask.ts'
import { rootsIn, systemRoots, type Roots } from './certificates.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'
import { readNixConfig, type NixConfig } from './nix-config.ts'
import { judgeTrust } from './trust.ts'

/** Whether Nix on this machine finds the depot, trusts what it signs, and is let in. */
export async function checkNix(context: ClientContext): Promise<readonly Finding[]> {
  const config = await readNixConfig(context)
  if (config === undefined) return [skip('nix is not installed here')]
  const found = [
    ok(`nix ${config.version}`),
    ...(await judgeTrust(context, 'nix', {
      roots: await nixRoots(context, config),
      fix: (file) => `export NIX_SSL_CERT_FILE=${file}`,
    })),
  ]
  const isSubstituter = config.substituters.some((address) => isOf(context.url, address))
  const use = context.use('nix')
  const named = isSubstituter
    ? [ok(`${nixCache(context.url)} is among its substituters`)]
    : [warn('nix does not install from here: it is not among its substituters', use)]
  if ((await context.silence()) !== undefined) return [...found, ...named, skip('no depot answers')]
  const info = await askAsNix(context, config)
  if (info.status === 401)
    return [
      ...found,
      ...named,
      fail(`reading needs credentials, and ${config.netrcFile} has no good ones for ${netrcHost(context.url)}`, use),
    ]
  if (info.status !== 200)
    return [
      ...found,
      ...named,
      fail(`nix-cache-info: status ${info.status}`, `curl -v ${nixCache(context.url)}/nix-cache-info`),
    ]
  return [
    ...found,
    ...named,
    ...judgeStore(info.text, context),
    // Whoever does not install from here has to trust nobody.
    ...(isSubstituter ? await judgeTrusted(context, config, info.text) : []),
    ...(isSubstituter ? judgeDaemon(context, config) : []),
  ]
}

/** Nix compares addresses as text; a depot's cache has two, and either may have parameters. */
function isOf(url: URL, address: string): boolean {
  const plain = address.replace(/\?.*$/, '').replace(/\/$/, '')
  return plain === nixCache(url) || plain === depotKey(url)
}

/** By libstore/globals.cc. */
async function nixRoots({ env }: ClientContext, { sslCertFile }: NixConfig): Promise<Roots> {
  if (sslCertFile !== undefined) return rootsIn(sslCertFile, 'ssl-cert-file')
  const named = env['NIX_SSL_CERT_FILE'] ?? ''
  return named === '' ? systemRoots(env) : rootsIn(named, 'NIX_SSL_CERT_FILE')
}

/** Nix shows what its netrc has for the host with every request. */
async function askAsNix(
  { url, ask }: ClientContext,
  { netrcFile }: NixConfig,
  path: `/${string}` = '/nix/nix-cache-info',
): Promise<Answer> {
  const text = asText((await readUserFile(netrcFile).catch(() => undefined)) ?? '')
  const login = netrcLogin(text, netrcHost(url))
  return ask(path, login === undefined ? {} : { authorization: basicAuthorization(login.login, login.password) })
}

function judgeStore(info: string, { env }: ClientContext): readonly Finding[] {
  const theirs = /^StoreDir: (?<dir>\S+)/m.exec(info)?.groups?.['dir'] ?? 'no folder that it names'
  const ours = env['NIX_STORE_DIR'] ?? '/nix/store'
  return theirs === ours
    ? []
    : [fail(`the depot has paths of ${theirs}, and nix here those of ${ours}`, 'unset NIX_STORE_DIR')]
}

/** The keys that it offers, and whether what is there has their signatures. */
async function judgeTrusted(context: ClientContext, config: NixConfig, info: string): Promise<readonly Finding[]> {
  const keys = judgeKeys(info, config, context.use('nix'))
  return keys.some(({ status }) => status === 'fail') ? keys : [...keys, ...(await judgeSignature(context, config))]
}

function judgeKeys(info: string, { trustedKeys }: NixConfig, use: string): readonly Finding[] {
  const offered = [...info.matchAll(/^PublicKey: (?<key>\S+)/gm)].map(({ groups }) => groups?.['key'] ?? '')
  if (offered.length === 0 || offered.some((key) => trustedKeys.includes(key)))
    return offered.length === 0
      ? []
      : [ok(`${offered.filter((key) => trustedKeys.includes(key)).join(' ')} is trusted`)]
  const names = offered.map((key) => key.split(':')[0])
  const other = trustedKeys.find((key) => names.includes(key.split(':')[0]))
  const message =
    other === undefined
      ? `nix does not trust ${offered.join(' ')}: it would refuse what was built`
      : `nix trusts another key called ${other.split(':')[0]}: take ${other} out of nix.conf`
  return [fail(message, use)]
}

const PAGE = z.object({ paths: z.array(z.object({ path: z.string() })) })

/** One path that is there, as Nix would judge it. */
async function judgeSignature(context: ClientContext, config: NixConfig): Promise<readonly Finding[]> {
  const page = await askAsNix(context, config, '/nix/-/paths?limit=1')
  const first = page.status === 200 ? jsonOf(page, PAGE)?.paths[0]?.path : undefined
  const hash = /\/(?<hash>[0-9a-z]{32})-/.exec(first ?? '')?.groups?.['hash']
  if (hash === undefined) return []
  const answer = await askAsNix(context, config, `/nix/${hash}.narinfo`)
  if (answer.status !== 200)
    return [fail(`${first}: its narinfo answers ${answer.status}`, `curl -v ${nixCache(context.url)}/${hash}.narinfo`)]
  const info = parseNarinfo(answer.text)
  const keys = config.trustedKeys.map(parsePublicKey)
  const signed = fingerprint({ ...info, baseName: info.storePath.baseName, narHash: nix32OfHex(info.narHash) })
  if (goodSignatures(signed, info.signatures, keys).length > 0) return [ok(`${first} has a signature that nix trusts`)]
  return info.ca === undefined ? [warn(`${first} has no signature that nix trusts`, context.use('nix'))] : []
}

const DAEMON = '/nix/var/nix/daemon-socket/socket'

/** The daemon fetches by its own settings, and lets only whom it trusts add to them. */
function judgeDaemon({ url }: ClientContext, config: NixConfig): readonly Finding[] {
  const { username, uid } = userInfo()
  if (uid === 0 || !existsSync(DAEMON)) return []
  const trusted = config.trustedUsers.some((user) => user === '*' || user === username || user.startsWith('@'))
  if (trusted || config.trustedSubstituters.some((address) => isOf(url, address))) return []
  const line = `extra-trusted-substituters = ${nixCache(url)}`
  return [
    fail(
      `the Nix daemon takes no substituter from ${username}: it trusts ${config.trustedUsers.join(' ') || 'nobody'}`,
      `echo '${line}' | sudo tee -a /etc/nix/nix.conf && sudo systemctl restart nix-daemon`,
    ),
  ]
}
