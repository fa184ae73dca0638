import { isIP } from 'node:net'
import tls, { type PeerCertificate } from 'node:tls'

import { LIMITS } from '../../src/limits.ts'
import type { Environment } from '../environment.ts'
import { asText, readUserFile } from '../user-file.ts'
import { late, probeMs } from './ask.ts'

/** What a server showed, and what is wrong with it under some roots. */
export interface Handshake {
  readonly certificate: PeerCertificate
  /** OpenSSL's name of the fault, or Node's; undefined when it is trusted. */
  readonly fault: string | undefined
}

/** A server, and how long all that is asked of it may take. */
interface Reach {
  readonly url: URL
  readonly limitMs: number
}

/** The port of a URL. */
export function portOf(url: URL): number {
  return Number(url.port || (url.protocol === 'https:' ? 443 : 80))
}

/** The host of a URL as sockets take it. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

/**
 * Meet a server and judge its certificate; nothing is sent.
 *
 * @param ca roots to judge by, PEM; by default Node's own
 * @throws Error when it does not speak TLS, or DepotError when not in time
 */
export function shakeHands({ url, limitMs }: Reach, ca?: readonly string[]): Promise<Handshake> {
  const host = hostOf(url)
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host,
      port: portOf(url),
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca: [...ca] }),
    })
    socket.setTimeout(probeMs(limitMs), () => socket.destroy(late()))
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const fault = socket.authorized ? undefined : String(socket.authorizationError)
      resolve({ certificate: socket.getPeerCertificate(), fault })
      socket.destroy()
    })
  })
}

/** Roots that a client goes by, and where they come from. */
export interface Roots {
  readonly pem: readonly string[]
  /** For people. */
  readonly from: string
}

/** A file of roots; empty when it cannot be read, and then nothing is trusted, as by the client itself. */
export async function rootsIn(file: string, setting: string): Promise<Roots> {
  return {
    pem: [asText((await readUserFile(file, LIMITS.doctorAnswerBytesMax).catch(() => '')) ?? '')].filter((text) =>
      text.includes('BEGIN'),
    ),
    from: `${setting} ${file}`,
  }
}

/** Those of Mozilla that programs bring along. */
export function bundledRoots(): Roots {
  return { pem: tls.rootCertificates, from: "Mozilla's, which it brings along" }
}

/** Where distributions keep those of the machine. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
  '/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt',
]

/** The roots of this machine, as OpenSSL finds them. */
export async function systemRoots(env: Environment): Promise<Roots> {
  const named = env['SSL_CERT_FILE']
  if (named !== undefined && named !== '') return rootsIn(named, 'SSL_CERT_FILE')
  for (const file of SYSTEM_FILES) {
    const roots = await rootsIn(file, 'the system:')
    if (roots.pem.length > 0) return roots
  }
  return { pem: tls.getCACertificates('system'), from: 'the system' }
}

/** Variables that name a file of roots for some client. */
const NAMED_BY = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'NIX_SSL_CERT_FILE',
  'PIP_CERT',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
]

/** Files by which this server can be trusted, of those that somebody chose here, the system's among them. */
export async function trustingFile({
  env,
  ...reach
}: Reach & { readonly env: Environment }): Promise<string | undefined> {
  const files = [...NAMED_BY.map((name) => env[name] ?? ''), ...SYSTEM_FILES].filter((file) => file !== '')
  for (const file of new Set(files)) {
    const { pem } = await rootsIn(file, '')
    if (pem.length > 0 && (await shakeHands(reach, pem)).fault === undefined) return file
  }
  return undefined
}

/** A fault in words. Pure. */
export function faultText(fault: string): string {
  return FAULTS[fault] ?? fault
}

const FAULTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not known',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not known',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not known',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not known, or the server does not send the certificates between',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
}
