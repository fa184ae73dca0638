import { createReadStream, openAsBlob } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'

import {
  blobName,
  BLOBS,
  carriedBlobs,
  MANIFEST_NAME,
  SIGNATURE_NAME,
  tarLayout,
  type BundledBlob,
} from '../bundle/layout.ts'
import {
  checkSignatureBytes,
  readManifest,
  readTarBundle,
  signatureText,
  type BundleContent,
} from '../bundle/read-tar.ts'
import { decodeZstd } from '../codec/zstd-frames.ts'
import { DepotError, hasCode } from '../errors.ts'
import { systemCode } from '../thrown.ts'
import { copied, filePieces } from './file-pieces.ts'
import { heldBlob } from './held-blob.ts'
import { openVolumes, type Volumes } from './volumes.ts'

/** Blobs of a bundle in any order, again and again. */
export interface BundledBlobs {
  /** The bytes of a blob from `start` on, unverified; each piece is good until the next is asked for. */
  pieces(blob: BundledBlob, start?: number): AsyncIterable<Uint8Array>
  /** All of them, verified. @throws DepotError `CONTENT_MISMATCH` when they are others */
  blob(blob: BundledBlob): Promise<Blob>
}

export interface OpenedBundle extends BundleContent, AsyncDisposable {
  /** Undefined for what comes through a pipe, or is compressed: that can be read once, from its beginning to its end. */
  readonly stored: BundledBlobs | undefined
}

/**
 * Open a bundle of any form: a folder, a tar file or its volumes, either compressed with zstd, or `-` for standard input.
 *
 * @throws DepotError `NOT_FOUND` when there is none, `CONTENT_MISMATCH` when it is something else, `TOO_LARGE`
 */
export async function openBundle(place: string, stdin: () => AsyncIterable<Uint8Array>): Promise<OpenedBundle> {
  if (place === '-') return openStream(stdin())
  const found = await stat(place).catch((error: unknown) => {
    if (systemCode(error) === undefined) throw error
    return undefined
  })
  if (found?.isDirectory() === true) return openFolder(place)
  if (found !== undefined && !found.isFile()) return openStream(pipePieces(place))
  const volumes = await openVolumes(place)
  if (volumes === undefined)
    throw new DepotError('NOT_FOUND', `${place} is not there, and neither is ${place}.001 of one that was split`)
  return openTar(volumes)
}

async function openTar(volumes: Volumes): Promise<OpenedBundle> {
  const all = volumes.pieces(0, volumes.sizeBytes)
  if (isZstd(await firstBytes(volumes.pieces(0, ZSTD_MAGIC.length)))) return readOnce(decodeZstd(copied(all)))
  const content = await readOnce(all)
  const { manifest, digests, signature } = content
  const { offsets } = tarLayout(digests.sizeBytes, signature?.length, carriedBlobs(manifest.files))
  const place = ({ sha256, sizeBytes }: BundledBlob): readonly [number, number] => {
    const start = offsets.get(sha256)
    if (start === undefined) throw new TypeError(`${sha256} is not in the bundle`)
    return [start, start + sizeBytes]
  }
  const pieces = (blob: BundledBlob, from = 0): AsyncIterable<Uint8Array> => {
    const [start, end] = place(blob)
    return volumes.pieces(start + from, end)
  }
  const open = (blob: BundledBlob): Promise<Blob> => volumes.blob(...place(blob))
  return { ...content, stored: storedBlobs(pieces, open) }
}

function storedBlobs(pieces: BundledBlobs['pieces'], open: (blob: BundledBlob) => Promise<Blob>): BundledBlobs {
  return { pieces, blob: (blob) => heldBlob(blob, { pieces: () => pieces(blob), open: () => open(blob) }) }
}

async function openStream(input: AsyncIterable<Uint8Array>): Promise<OpenedBundle> {
  const { first, all } = await peeked(input)
  return readOnce(isZstd(first) ? decodeZstd(all) : all)
}

/** The input ends when the bundle is disposed. */
async function readOnce(input: AsyncGenerator<Uint8Array>): Promise<OpenedBundle> {
  const close = async (): Promise<void> => void (await input.return(undefined))
  try {
    return { ...(await readTarBundle(input)), stored: undefined, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openFolder(folder: string): Promise<OpenedBundle> {
  const manifestFile = path.join(folder, MANIFEST_NAME)
  const { manifest, digests } = await readManifest(filePieces(manifestFile)).catch((error: unknown) => {
    if (!hasCode(error, 'NOT_FOUND')) throw error
    throw new DepotError('NOT_FOUND', `${folder} is no bundle, or one that is not complete: it has no ${MANIFEST_NAME}`)
  })
  const fileOf = ({ sha256 }: BundledBlob): string => path.join(folder, blobName(sha256))
  const blobs = carriedBlobs(manifest.files)
  return {
    manifest,
    digests,
    signature: await signatureIn(folder),
    async *blobs() {
      for (const blob of blobs) yield { ...blob, pieces: filePieces(fileOf(blob)) }
      const known = new Set(blobs.map(({ sha256 }) => sha256))
      for (const name of await readdir(path.join(folder, BLOBS)).catch(() => []))
        if (!known.has(name))
          throw new DepotError(
            'CONTENT_MISMATCH',
            `${JSON.stringify(path.join(BLOBS, name))} is not of this bundle: delete it`,
          )
    },
    stored: storedBlobs(
      (blob, from = 0) => filePieces(fileOf(blob), from),
      (blob) => openAsBlob(fileOf(blob)),
    ),
    async [Symbol.asyncDispose]() {},
  }
}

async function signatureIn(folder: string): Promise<string | undefined> {
  const file = path.join(folder, SIGNATURE_NAME)
  try {
    const pieces: Uint8Array[] = []
    let sizeBytes = 0
    for await (const piece of copied(filePieces(file))) {
      sizeBytes = checkSignatureBytes(sizeBytes + piece.length)
      pieces.push(piece)
    }
    return signatureText(Buffer.concat(pieces))
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

/** A frame, or one that is passed over, which some programs begin with. */
function isZstd(first: Uint8Array): boolean {
  if (Buffer.compare(first.subarray(0, ZSTD_MAGIC.length), ZSTD_MAGIC) === 0) return true
  const [kind = 0, ...magic] = first.subarray(0, 4)
  return kind >> 4 === 5 && Buffer.compare(Buffer.from(magic), Buffer.from([0x2a, 0x4d, 0x18])) === 0
}

async function firstBytes(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  for await (const piece of pieces) return Buffer.from(piece)
  return new Uint8Array()
}

/** What comes first, without taking it away. */
async function peeked(
  input: AsyncIterable<Uint8Array>,
): Promise<{ readonly first: Uint8Array; readonly all: AsyncGenerator<Uint8Array> }> {
  const iterator = input[Symbol.asyncIterator]()
  let first: Uint8Array = new Uint8Array()
  while (first.length < ZSTD_MAGIC.length) {
    const next = await iterator.next()
    if (next.done === true) break
    first = Buffer.concat([first, next.value])
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield first
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
    } finally {
      await iterator.return?.()
    }
  }
  return { first, all: all() }
}

/** A named pipe, or a device. */
async function* pipePieces(file: string): AsyncGenerator<Uint8Array> {
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) yield piece as Buffer
}
