import { createHash, type Hash } from 'node:crypto'

import type { BlobStores, PlacedBytes } from './blob-stores.ts'
import { frameBuffers } from '../buffer-pool.ts'
import { frameCompressor, packFrames } from '../codec/frames.ts'
import type { Hasher, StagedBlob, StageOptions } from '../depot.ts'
import { DepotError } from '../errors.ts'
import type { Events } from '../events.ts'
import { freeMemory } from '../free-memory.ts'
import type { BlobRow, KvStore } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'

interface Ports {
  readonly blobs: BlobStores
  readonly kv: KvStore
  readonly events: Events
}

/** See `Depot.stage`. */
export async function stageBlob(
  ports: Ports,
  domain: string,
  content: AsyncIterable<Uint8Array>,
  options: StageOptions,
): Promise<StagedBlob> {
  const staged = await ports.blobs.stage()
  try {
    const hashes = hashersFor(options)
    using encoder = options.encoding === 'zstd' ? framesInto(staged) : rawInto(staged)
    const sizeBytes = await pour(content, encoder, hashes, options)
    const digests = new Map([...hashes].map(([name, hasher]) => [name, hasher.digestHex()]))
    return stagedBlob(ports, domain, staged, { sizeBytes, digests, ...(await encoder.end()) })
  } catch (error) {
    await staged[Symbol.asyncDispose]()
    throw error
  }
}

interface Encoder extends Disposable {
  write(bytes: Uint8Array): Promise<void> | undefined
  /** Without a stored digest the bytes are stored as they came, and the content's own holds. */
  end(): Promise<{ storedBytes?: number; storedSha256?: string; frames?: Uint8Array }>
}

async function pour(
  content: AsyncIterable<Uint8Array>,
  encoder: Encoder,
  hashes: ReadonlyMap<string, Hasher>,
  { limitBytes = LIMITS.blobBytesMax, inspect, freesContent = false }: StageOptions,
): Promise<number> {
  let sizeBytes = 0
  for await (const bytes of content) {
    sizeBytes += bytes.byteLength
    if (sizeBytes > limitBytes) throw new DepotError('TOO_LARGE', `more than ${limitBytes} bytes of content`)
    const inspected = inspect?.(bytes)
    if (inspected !== undefined) await inspected
    for (const hasher of hashes.values()) hasher.update(bytes)
    const written = encoder.write(bytes)
    if (written !== undefined) await written
    if (freesContent) freeMemory(bytes)
  }
  return sizeBytes
}

function hashersFor(options: StageOptions): ReadonlyMap<string, Hasher> {
  const named = ['sha256', ...(options.hashes ?? [])].map((name) => [name, cryptoHasher(createHash(name))] as const)
  return new Map<string, Hasher>([...named, ...Object.entries(options.hashers ?? {})])
}

function cryptoHasher(hash: Hash): Hasher {
  return { update: (bytes) => hash.update(bytes), digestHex: () => hash.digest('hex') }
}

function rawInto(staged: PlacedBytes): Encoder {
  return { write: (bytes) => staged.write(bytes), end: async () => ({}), [Symbol.dispose]: () => {} }
}

/** Cuts content into frames and compresses a few of them side by side, writing them in order. */
function framesInto(staged: PlacedBytes): Encoder {
  const stored = createHash('sha256')
  const lengths: number[] = []
  const compressor = frameCompressor()
  const inFlight: Promise<readonly Uint8Array[]>[] = []
  let storedBytes = 0
  let frame: Uint8Array<ArrayBuffer> | undefined
  let filled = 0

  async function writeOldest(): Promise<void> {
    const compressed = await inFlight.shift()
    if (compressed === undefined) return
    const sizeBytes = compressed.reduce((sum, piece) => sum + piece.byteLength, 0)
    lengths.push(sizeBytes)
    storedBytes += sizeBytes
    for (const piece of compressed) {
      stored.update(piece)
      await staged.write(piece)
      freeMemory(piece)
    }
  }

  function launch(): void {
    const content = frame ?? frameBuffers.take()
    const compressed = compressor.compress(content.subarray(0, filled)).finally(() => frameBuffers.giveBack(content))
    // It is awaited in its turn; until then a failure must not count as unhandled.
    compressed.catch(() => {})
    inFlight.push(compressed)
    frame = undefined
    filled = 0
  }

  async function fill(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.byteLength;) {
      frame ??= frameBuffers.take()
      const piece = bytes.subarray(offset, offset + LIMITS.frameBytes - filled)
      frame.set(piece, filled)
      filled += piece.byteLength
      offset += piece.byteLength
      if (filled < LIMITS.frameBytes) return
      launch()
      while (inFlight.length >= LIMITS.framesInFlight) await writeOldest()
    }
  }

  return {
    write(bytes) {
      if (filled + bytes.byteLength >= LIMITS.frameBytes) return fill(bytes)
      frame ??= frameBuffers.take()
      frame.set(bytes, filled)
      filled += bytes.byteLength
      return undefined
    },
    async end() {
      if (filled > 0 || (lengths.length === 0 && inFlight.length === 0)) launch()
      while (inFlight.length > 0) await writeOldest()
      return { storedBytes, storedSha256: stored.digest('hex'), frames: packFrames(lengths) }
    },
    [Symbol.dispose]: () => compressor[Symbol.dispose](),
  }
}

interface Arrived {
  readonly sizeBytes: number
  readonly digests: ReadonlyMap<string, string>
  readonly storedBytes?: number
  readonly storedSha256?: string
  readonly frames?: Uint8Array
}

function stagedBlob({ blobs, kv, events }: Ports, domain: string, staged: PlacedBytes, arrived: Arrived): StagedBlob {
  const digest = arrived.digests.get('sha256') ?? ''
  const row: BlobRow = {
    domain,
    digest,
    sizeBytes: arrived.sizeBytes,
    encoding: arrived.frames === undefined ? 'raw' : 'zstd',
    storedBytes: arrived.storedBytes ?? arrived.sizeBytes,
    storedSha256: arrived.storedSha256 ?? digest,
    layout: arrived.frames === undefined ? 'whole' : 'frames',
    frames: arrived.frames ?? new Uint8Array(0),
    state: 'live',
    store: '',
  }
  return {
    digest,
    sizeBytes: arrived.sizeBytes,
    hashes: arrived.digests,
    read: (range) => staged.read(range),
    async publish() {
      const known = await kv.blob(domain, digest)
      // Trust a row only as far as storage bears it out: sending a damaged blob again is how a user heals it.
      if (known?.state === 'live' && (await blobs.holds(known))) return { ...known, held: true }
      const published = await staged.publish(row, known)
      events.blobStored(published)
      return { ...published, seenIn: known?.store ?? null }
    },
    [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose](),
  }
}
