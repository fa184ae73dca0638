import { DepotError } from '../errors.ts'
import { messageOf, systemCode } from '../thrown.ts'

/** A failure as a local client sees it. */
export interface ProxyFailure {
  readonly status: number
  readonly sentence: string
}

/** What a local client is told when there is no answer of the depot to pass on. */
export function failureOf(error: unknown, target: URL): ProxyFailure {
  if (error instanceof DepotError) return { status: error.status, sentence: `depot proxy: ${error.message}` }
  const code = systemCode(error) ?? ''
  return { status: 502, sentence: `depot proxy: ${sentenceOf(code, error, target.origin)}${code && ` (${code})`}` }
}

function sentenceOf(code: string, error: unknown, origin: string): string {
  if (CERTIFICATE.test(code))
    return `the certificate of ${origin} is not trusted: ${messageOf(error)}; name a private authority in NODE_EXTRA_CA_CERTS`
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) return `${origin} does not speak TLS as it should`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the name of ${origin} is not known`
  if (UNREACHABLE.has(code)) return `${origin} cannot be reached`
  if (code === 'ECONNRESET' || code === 'EPIPE') return `${origin} ended the connection before its answer was whole`
  if (code.startsWith('HPE_')) return `the answer of ${origin} is not HTTP as it is read here: ${messageOf(error)}`
  return `no answer of ${origin}: ${messageOf(error)}`
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|^CRL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE/
const UNREACHABLE = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EADDRNOTAVAIL', 'EACCES'])
