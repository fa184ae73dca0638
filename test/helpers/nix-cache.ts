import type { IncomingMessage } from 'node:http'

import { parseSecretKey } from '../../protocols/nix/signing.ts'
import { nixUpload, SECRET, type NixUpload } from './nix-upload.ts'
import { startUpstream } from './upstream.ts'

/** A binary cache whose files a test may change. */
export interface TestCache extends AsyncDisposable {
  readonly url: string
  /** By their paths, without a leading slash. */
  readonly files: Map<string, Buffer>
  /** Statuses that it answers with instead, by the same paths. */
  readonly refusals: Map<string, number>
  readonly requests: readonly IncomingMessage[]
  /** So many archives more are answered; those behind them wait for ever. */
  archivesLeft: number
  /** Paths that were asked for since the last call, without those of narinfos. */
  archivesAsked(): readonly string[]
  /** Put a path there, signed by the key of the tests unless told otherwise. */
  add(name: string, options?: AddOptions): Promise<CachedPath>
}

export interface AddOptions extends NonNullable<Parameters<typeof nixUpload>[1]> {
  readonly content?: Buffer | string
  readonly references?: readonly CachedPath[]
  /** Lines of its narinfo that are not what they should be; they are put in after it was signed. */
  readonly lies?: Readonly<Record<string, string | undefined>>
  /** Sig lines; undefined signs it well. */
  readonly signature?: 'none' | 'of another key' | 'of another path'
}

export interface CachedPath extends NixUpload {
  readonly baseName: string
  readonly storePath: string
}

const OTHER = 'test-1:eCnfMq36XjANdKycH1QjLgq1Qtfui1Tt1FoLPGe7x+E3DUdBG0e6st/oTOcDzarLVj7fIoR5jcNKpTeY+8+XWw=='

/** Serves its files, and ranges of them. */
export async function startNixCache(): Promise<TestCache> {
  const files = new Map<string, Buffer>([['nix-cache-info', Buffer.from('StoreDir: /nix/store\n')]])
  const refusals = new Map<string, number>()
  const upstream = await startUpstream((incoming, outgoing) => {
    const path = (incoming.url ?? '').slice(1).split('?')[0] ?? ''
    const refusal = refusals.get(path)
    if (refusal !== undefined) return void outgoing.writeHead(refusal, { 'retry-after': '0' }).end()
    if (path.startsWith('nar/') && cache.archivesLeft-- <= 0) return
    const file = files.get(path)
    if (file === undefined) return void outgoing.writeHead(404).end()
    const from = Number(/^bytes=(\d+)-$/.exec(incoming.headers.range ?? '')?.[1] ?? 0)
    const range = from > 0 ? { 'Content-Range': `bytes ${from}-${file.length - 1}/${file.length}` } : {}
    outgoing
      .writeHead(from > 0 ? 206 : 200, { 'Content-Length': file.length - from, ...range })
      .end(file.subarray(from))
  })
  let told = 0
  const cache: TestCache = {
    url: upstream.url,
    files,
    refusals,
    requests: upstream.requests,
    archivesLeft: Infinity,
    archivesAsked() {
      const fresh = upstream.requests.slice(told).map(({ url = '' }) => url)
      told = upstream.requests.length
      return fresh.filter((url) => !/\.narinfo$|nix-cache-info$/.test(url))
    },
    async add(name, { content = name, references = [], lies = {}, signature, ...options } = {}) {
      const upload = await nixUpload(content, { ...options, name })
      const baseName = `${upload.storeHash}-${name}`
      const names = [...new Set(references.map((other) => other.baseName))].sort()
      const paths = names.map((other) => `/nix/store/${other}`).join(',')
      const signed = `1;/nix/store/${baseName};sha256:${upload.narHash};${upload.nar.length};${paths}`
      const sig = signatureOf(signed, signature)
      const lines = { References: names.join(' '), ...(sig === undefined ? {} : { Sig: sig }), ...lies }
      files.set(`${upload.storeHash}.narinfo`, Buffer.from(upload.narinfo(lines)))
      files.set(`nar/${upload.fileName}`, upload.body)
      return { ...upload, baseName, storePath: `/nix/store/${baseName}` }
    },
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  }
  return cache
}

function signatureOf(signed: string, how: AddOptions['signature']): string | undefined {
  if (how === 'none') return undefined
  if (how === 'of another key') return parseSecretKey(OTHER).sign(signed)
  return parseSecretKey(SECRET).sign(how === 'of another path' ? `${signed},` : signed)
}
