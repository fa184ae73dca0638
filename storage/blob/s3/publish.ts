import { crc32 } from 'node:zlib'

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3'

import type { BlobLocation } from '../../../src/blobs/blob-store.ts'
import { DepotError } from '../../../src/errors.ts'
import { freeMemory } from '../../../src/free-memory.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { Turns } from '../../../src/turns.ts'
import { asked, carrying } from './ask.ts'
import { keptAs, objectAt, type Bucket } from './bucket.ts'
import { isForgottenUpload } from './errors.ts'
import type { S3Options } from './options.ts'
import { headObject } from './stat.ts'
import type { SpooledFile } from './spool.ts'

/** A bucket, and the parts that may be in memory on their way there. */
export interface Uploads {
  readonly bucket: Bucket
  readonly parts: Turns
}

/**
 * Put a spooled file into the bucket, in parts when it is large. A reader sees nothing of it or everything. What fails is aborted; what S3
 * then says it has is compared with what was sent.
 *
 * @throws what S3 refused, untranslated; DepotError `STORAGE_DOWN` when it has another size afterwards
 */
export async function publishObject(uploads: Uploads, location: BlobLocation, file: SpooledFile): Promise<void> {
  const sizeBytes = await file.sizeBytes()
  if (sizeBytes <= LIMITS.s3PartBytes) await putWhole(uploads, location, file, sizeBytes)
  else await putInParts(uploads, location, file, sizeBytes)
  const stored = await headObject(uploads.bucket, location)
  if (stored?.sizeBytes === sizeBytes) return
  throw new DepotError(
    'STORAGE_DOWN',
    `the blob store has ${stored?.sizeBytes ?? 'none'} of ${sizeBytes} bytes that it took: try again later`,
  )
}

async function putWhole(uploads: Uploads, location: BlobLocation, file: SpooledFile, sizeBytes: number): Promise<void> {
  const { bucket } = uploads
  await withPart(uploads, file, { start: 0, sizeBytes }, async (bytes) => {
    const command = new PutObjectCommand({
      ...objectAt(bucket, location),
      ...keptAs(bucket.options),
      ...checksum(bucket.options, bytes),
      Body: bytes,
      ContentLength: bytes.byteLength,
    })
    await asked((sending) => bucket.clients.work.send(command, sending), carrying(sizeBytes))
  })
}

/** Once more when S3 has forgotten the upload, as it has when it completed it and its answer was lost. */
async function putInParts(
  uploads: Uploads,
  location: BlobLocation,
  file: SpooledFile,
  sizeBytes: number,
): Promise<void> {
  for (let uploaded = 1; ; uploaded++) {
    try {
      await uploadInParts(uploads, location, file, sizeBytes)
      return
    } catch (error) {
      if (!isForgottenUpload(error) || uploaded === LIMITS.s3UploadsMax) throw error
    }
  }
}

async function uploadInParts(
  uploads: Uploads,
  location: BlobLocation,
  file: SpooledFile,
  sizeBytes: number,
): Promise<void> {
  const { bucket } = uploads
  const object = objectAt(bucket, location)
  const begin = new CreateMultipartUploadCommand({
    ...object,
    ...keptAs(bucket.options),
    ...(bucket.options.checksums ? { ChecksumAlgorithm: 'CRC32' as const } : {}),
  })
  const { UploadId } = await asked((sending) => bucket.clients.work.send(begin, sending), BEGINNING)
  const upload = { ...object, UploadId }
  try {
    const Parts = await sendParts(uploads, upload, file, sizeBytes)
    const complete = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } })
    await asked((sending) => bucket.clients.work.send(complete, sending), completing(sizeBytes))
  } catch (error) {
    // Whatever becomes of it: nobody completes it any more, and what is left is swept.
    await asked((sending) => bucket.clients.work.send(new AbortMultipartUploadCommand(upload), sending)).catch(() => {})
    throw error
  }
}

/** Each that is carried out leaves an upload, and nobody knows of those whose answers were lost until they are swept. */
const BEGINNING = { besideMs: 'never', limitMs: 5 * LIMITS.s3AttemptMs } as const

/** Some servers copy the parts together before they answer. */
function completing(sizeBytes: number) {
  const copyMs = (sizeBytes / LIMITS.s3CopyBytesPerSecond) * 1000
  const attemptMs = Math.min(LIMITS.s3AnswerMs + copyMs, LIMITS.s3CompleteMs)
  return { besideMs: 'never', attemptMs, limitMs: LIMITS.s3CompleteMs } as const
}

type Upload = { readonly Bucket: string; readonly Key: string; readonly UploadId: string | undefined }

async function sendParts(
  uploads: Uploads,
  upload: Upload,
  file: SpooledFile,
  sizeBytes: number,
): Promise<CompletedPart[]> {
  const count = Math.ceil(sizeBytes / LIMITS.s3PartBytes)
  const sent: CompletedPart[] = []
  const stop = new AbortController()
  let next = 0
  let failure: { readonly error: unknown } | undefined

  async function sendSome(): Promise<void> {
    while (next < count && !stop.signal.aborted) {
      const index = next++
      const start = index * LIMITS.s3PartBytes
      const part = { start, sizeBytes: Math.min(LIMITS.s3PartBytes, sizeBytes - start) }
      sent[index] = await withPart(uploads, file, part, (bytes) =>
        sendPart(uploads.bucket, upload, index + 1, bytes, stop),
      )
    }
  }

  const senders = Array.from({ length: Math.min(LIMITS.s3PartsPerUpload, count) }, async () => {
    try {
      await sendSome()
    } catch (error) {
      // What the others meet is only that they are stopped.
      failure ??= { error }
      stop.abort()
    }
  })
  // A part that is still on its way would come back to life behind the abort.
  await Promise.all(senders)
  if (failure !== undefined) throw failure.error
  return sent
}

async function sendPart(
  { options, clients }: Bucket,
  upload: Upload,
  PartNumber: number,
  bytes: Uint8Array,
  stop: AbortController,
): Promise<CompletedPart> {
  const sum = checksum(options, bytes)
  const command = new UploadPartCommand({ ...upload, PartNumber, ...sum, Body: bytes, ContentLength: bytes.byteLength })
  const times = { ...carrying(bytes.byteLength), stop: stop.signal }
  const { ETag } = await asked((sending) => clients.work.send(command, sending), times)
  return { PartNumber, ETag, ...sum }
}

/** Bytes of a file in memory, while few others are. */
async function withPart<T>(
  { parts }: Uploads,
  file: SpooledFile,
  { start, sizeBytes }: { readonly start: number; readonly sizeBytes: number },
  send: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  await parts.take()
  try {
    // Memory of its own: a request that was given up may still read it, so it is freed only behind one that was answered.
    const bytes = await file.readInto(Buffer.allocUnsafeSlow(sizeBytes), start)
    const result = await send(bytes)
    freeMemory(bytes)
    return result
  } finally {
    parts.giveBack()
  }
}

function checksum({ checksums }: S3Options, bytes: Uint8Array): { readonly ChecksumCRC32?: string } {
  if (!checksums) return {}
  const sum = Buffer.allocUnsafe(4)
  sum.writeUInt32BE(crc32(bytes))
  return { ChecksumCRC32: sum.toString('base64') }
}
