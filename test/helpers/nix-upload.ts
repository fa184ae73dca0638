import type { Codec } from '../../src/codec/decode.ts'
import { nixProtocol, type NixOptions } from '../../protocols/nix/index.ts'
import { parseSecretKey } from '../../protocols/nix/signing.ts'
import { compress, NIX_SUFFIX } from './compress.ts'
import { fileNar, sha256Nix32 } from './nar.ts'
import { startWorld, type World } from './world.ts'

export const SECRET = 'test-1:FcBmaJVOtqPH6obwOrk/yw20PvKIR1WFSj3KMcfdw3+kh+C/lwXpxi9AzLPDMPLtm6daykdNk0eP/Fmn/tzsig=='
export const PUBLIC = 'test-1:pIfgv5cF6cYvQMyzwzDy7ZunWspHTZNHj/xZp/7c7Io='

/** A depot with Nix alone and a key that tests know. */
export function startNixWorld(...secrets: readonly string[]): Promise<World> {
  return startRuledWorld({}, ...secrets)
}

/** The same with rules of its own about narinfos. */
export function startRuledWorld(rules: Partial<NixOptions>, ...secrets: readonly string[]): Promise<World> {
  const signingKeys = (secrets.length === 0 ? [SECRET] : secrets).map(parseSecretKey)
  return startWorld({ protocols: [nixProtocol({ signingKeys, ...rules })] })
}

/** A store path as a client is about to upload it. */
export interface NixUpload {
  readonly nar: Buffer
  readonly narHash: string
  readonly body: Buffer
  readonly fileName: string
  readonly storeHash: string
  /** Lines of the narinfo by key, in order; undefined leaves one out. */
  narinfo(changes?: Readonly<Record<string, string | undefined>>): string
}

export async function nixUpload(
  content: Buffer | string,
  { codec = 'zstd', name = 'demo', nar = fileNar(content) }: { codec?: Codec; name?: string; nar?: Buffer } = {},
): Promise<NixUpload> {
  const body = await compress(codec, nar)
  const narHash = sha256Nix32(nar)
  const storeHash = sha256Nix32(Buffer.from(`${name} ${narHash}`)).slice(0, 32)
  const fileName = `${sha256Nix32(body)}.nar${NIX_SUFFIX[codec]}`
  return {
    nar,
    narHash,
    body,
    fileName,
    storeHash,
    narinfo(changes = {}) {
      const lines = {
        StorePath: `/nix/store/${storeHash}-${name}`,
        URL: `nar/${fileName}`,
        Compression: codec,
        FileHash: `sha256:${sha256Nix32(body)}`,
        FileSize: String(body.byteLength),
        NarHash: `sha256:${narHash}`,
        NarSize: String(nar.byteLength),
        References: '',
        ...changes,
      }
      return Object.entries(lines)
        .flatMap(([key, value]) => (value === undefined ? [] : [`${key}: ${value}\n`]))
        .join('')
    },
  }
}

export async function put(
  world: World,
  path: string,
  body: Buffer | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const bytes = typeof body === 'string' ? body : Uint8Array.from(body)
  const answer = await world.fetch(path, { method: 'PUT', body: bytes, headers })
  return { status: answer.status, text: await answer.text() }
}

/** Upload archive and narinfo. @throws Error when either is refused */
export async function push(world: World, upload: NixUpload): Promise<void> {
  for (const [path, body] of [
    [`/nix/nar/${upload.fileName}`, upload.body],
    [`/nix/${upload.storeHash}.narinfo`, upload.narinfo()],
  ] as const) {
    const { status, text } = await put(world, path, body)
    if (status >= 300) throw new Error(`${path}: ${status} ${text}`)
  }
}
