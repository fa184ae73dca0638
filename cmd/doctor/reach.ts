import { lookup } from 'node:dns/promises'
import net from 'node:net'

import { LIMITS } from '../../src/limits.ts'
import { isLoopback } from '../../src/network.ts'
import { messageOf, systemCode } from '../../src/thrown.ts'
import { depotKey, isInClear } from '../client/depot-url.ts'
import { probeMs, whyNot } from './ask.ts'
import { faultText, hostOf, portOf, shakeHands, trustingFile } from './certificates.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'
import { shellWord } from './shell-word.ts'

/** The name, and the port behind it. */
export async function checkAddress({ url, limitMs }: ClientContext): Promise<readonly Finding[]> {
  const host = hostOf(url)
  const port = portOf(url)
  let address: string
  try {
    address = (await lookup(host)).address
  } catch (error) {
    return [
      fail(
        `there is no address for ${host} (${systemCode(error) ?? messageOf(error)})`,
        `getent hosts ${host}   (a slip in the name, or a VPN that is off?)`,
      ),
    ]
  }
  const refused = await connects({ host, port }, probeMs(limitMs))
  if (refused === undefined) return [ok(`${host} is ${address}, and port ${port} answers`)]
  const start = isLoopback(host)
    ? `depot serve --listen-addr ${address}:${port}`
    : `curl -v ${depotKey(url)}/healthz   (a firewall, or a server that is down?)`
  return [fail(`${host} (${address}) does not answer on port ${port}: ${refused}`, start)]
}

/** @returns why not */
function connects(
  address: { readonly host: string; readonly port: number },
  limitMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(address)
    const done = (why: string | undefined): void => {
      socket.destroy()
      resolve(why)
    }
    socket.setTimeout(limitMs, () => done('nothing comes back'))
    socket.once('connect', () => done(undefined))
    socket.once('error', (error) => done(systemCode(error) ?? error.message))
  })
}

/** The certificate itself; whether each client trusts it, its own check tells. */
export async function checkTls(context: ClientContext): Promise<readonly Finding[]> {
  const { url } = context
  if (url.protocol === 'http:')
    return isInClear(url)
      ? [
          warn(
            'plain http: whoever listens on the way reads tokens and changes packages',
            `depot doctor ${depotKey(url).replace(/^http:/, 'https:')}`,
          ),
        ]
      : [skip('plain http, on this machine')]
  const { certificate, fault } = await shakeHands(context).catch((error: unknown) => ({
    certificate: undefined,
    fault: whyNot(error),
  }))
  if (certificate === undefined)
    return [fail(`no TLS at ${url.host}: ${fault}`, `depot doctor ${depotKey(url).replace(/^https:/, 'http:')}`)]
  const names = (certificate.subjectaltname ?? '').replaceAll(/(?:DNS|IP Address):/g, '')
  const ends = new Date(certificate.valid_to)
  if (fault === undefined) return [judgeEnd(ends, names)]
  if (fault === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const [name = ''] = names.split(', ')
    return [
      fail(
        `the certificate is for ${names}, not for ${url.hostname}`,
        `depot doctor ${shellWord(`https://${name}${url.port === '' ? '' : `:${url.port}`}`)}`,
      ),
    ]
  }
  if (fault === 'CERT_HAS_EXPIRED' || fault === 'CERT_NOT_YET_VALID')
    return [
      fail(
        `the certificate: ${faultText(fault)} (${ends.toISOString().slice(0, 10)})`,
        'renew it on the server: certbot renew, or ask its operator; and look at the clock here: date -u',
      ),
    ]
  const issuer = [certificate.issuer.O, certificate.issuer.CN]
    .flat()
    .filter((word) => word !== undefined)
    .join(' ')
  const file = await trustingFile(context)
  return [
    fail(
      `depot does not trust the certificate: ${faultText(fault)} (issued by ${issuer})`,
      file === undefined
        ? `export NODE_EXTRA_CA_CERTS=ca.pem   (the certificate of ${issuer}: its operator has it)`
        : `export NODE_EXTRA_CA_CERTS=${shellWord(file)}`,
    ),
  ]
}

/** @param names that it is for */
export function judgeEnd(ends: Date, names: string, now = Date.now()): Finding {
  const day = ends.toISOString().slice(0, 10)
  if (ends.getTime() - now > LIMITS.doctorCertificateMs) return ok(`good for ${names} until ${day}`)
  return warn(
    `the certificate for ${names} ends on ${day}`,
    'renew it on the server: certbot renew, or ask its operator',
  )
}

/** Whether a depot answers, at this very address. */
export async function checkDepot({ url, silence, ask }: ClientContext): Promise<readonly Finding[]> {
  const why = await silence()
  const look = `curl -v ${depotKey(url)}/`
  if (why !== undefined) {
    const to = /^it sends us to (?<to>https?:\S+)$/.exec(why)?.groups?.['to']
    return [fail(`no depot at ${depotKey(url)}: ${why}`, to === undefined ? look : `depot doctor ${shellWord(to)}`)]
  }
  const ready = await ask('/readyz')
  if (ready.status === 200) return [ok(`${depotKey(url)} answers, and is ready`)]
  return [
    fail(
      `${depotKey(url)} is not ready (${ready.status}): ${ready.text.trim().slice(0, 100)}`,
      `curl -v ${depotKey(url)}/readyz   (its operator: depot doctor on its machine)`,
    ),
  ]
}

/** Logins are refused by whoever has another time. */
export async function checkSkew({ ask }: ClientContext): Promise<readonly Finding[]> {
  const { headers } = await ask('/healthz')
  const theirs = Date.parse(headers['date'] ?? '')
  return [
    Number.isNaN(theirs)
      ? skip('the depot does not tell the time')
      : judgeSkew(Math.round((Date.now() - theirs) / 1000)),
  ]
}

/** @param seconds that this machine is ahead */
export function judgeSkew(seconds: number): Finding {
  if (Math.abs(seconds) <= LIMITS.clockSkewSeconds) return ok('as the depot has it')
  const way = seconds > 0 ? 'ahead of' : 'behind'
  return fail(`this machine is ${Math.abs(seconds)} s ${way} the depot: logins are refused`, 'timedatectl set-ntp true')
}
