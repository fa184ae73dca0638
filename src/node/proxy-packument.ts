import type { IncomingMessage } from 'node:http'
import type { Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'

import type { Rewriting } from '../client/proxy-headers.ts'
import { replaceBytes } from '../client/replace-bytes.ts'

/**
 * Packuments name their tarballs by absolute addresses of the depot. npm, pnpm and yarn fetch them from there and, because that is
 * another host than their registry's, show no credentials: through the proxy these addresses must be its own.
 *
 * @returns what the body goes through, or undefined when it stays as it is
 */
export function changesOf(
  answer: IncomingMessage,
  incoming: IncomingMessage,
  { target, base }: Rewriting,
): readonly Transform[] | undefined {
  const { 'content-type': type = '', 'content-encoding': coding = 'identity' } = answer.headers
  const reads = incoming.method === 'GET' || incoming.method === 'HEAD'
  if (!reads || answer.statusCode !== 200 || !PACKUMENT.test(type) || !HOST.test(base)) return undefined
  if (!['identity', 'gzip'].includes(coding)) return undefined
  if (incoming.method === 'HEAD') return []
  const [from, to] = [target, base].map((url) => Buffer.from(`"tarball":"${url}/`)) as [Buffer, Buffer]
  const replaced = replaceBytes(from, to)
  return coding === 'gzip' ? [createGunzip(), replaced] : [replaced]
}

const PACKUMENT = /^application\/(?:vnd\.npm\.install-v1\+)?json\b/i
/** On a unix socket a client may say any Host; this one is written into JSON. */
const HOST = /^http:\/\/[\w.:[\]-]+$/
