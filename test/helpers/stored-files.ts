import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'

import type { TestBucket } from './s3.ts'

/** Stored bytes behind the driver's back, as somebody finds or damages them. */
export interface StoredFiles {
  read(location: string): Promise<Buffer>
  /** In place of what is there. */
  write(location: string, bytes: Uint8Array): Promise<void>
  remove(location: string): Promise<void>
}

/** Where depots keep blobs that are not below their data folder, by that folder. */
const buckets = new Map<string, BucketPlace>()

interface BucketPlace {
  readonly bucket: TestBucket
  readonly prefix: string
}

/** From now on, the blobs of the depot with that data folder are looked for in a bucket. */
export function keepsBlobsIn(dataDir: string, place: BucketPlace): void {
  buckets.set(dataDir, place)
}

/** Names of all files or objects that a depot keeps for blobs: published ones and half-written ones. */
export async function storedFiles(dataDir: string): Promise<readonly string[]> {
  const place = buckets.get(dataDir)
  if (place === undefined) return filesBelow(path.join(dataDir, 'blobs'))
  const { bucket } = place
  const keys = [...(await bucket.keys()), ...(await bucket.openUploads())]
  return [...keys.map((key) => path.basename(key)), ...(await filesBelow(path.join(dataDir, 'tmp')))]
}

export function storedFilesOf(dataDir: string): StoredFiles {
  const place = buckets.get(dataDir)
  return place === undefined ? inFolder(path.join(dataDir, 'blobs')) : inBucket(place)
}

function inFolder(folder: string): StoredFiles {
  return {
    read: (location) => readFile(path.join(folder, location)),
    async write(location, bytes) {
      const file = path.join(folder, location)
      // It is for reading only.
      await chmod(file, 0o600).catch(() => {})
      await writeFile(file, bytes)
    },
    remove: (location) => rm(path.join(folder, location)),
  }
}

function inBucket({ bucket: { bucket, client }, prefix }: BucketPlace): StoredFiles {
  const at = (location: string) => ({ Bucket: bucket, Key: prefix + location })
  return {
    async read(location) {
      const { Body } = await client.send(new GetObjectCommand(at(location)))
      return Buffer.from((await Body?.transformToByteArray()) ?? [])
    },
    async write(location, bytes) {
      await client.send(new PutObjectCommand({ ...at(location), Body: bytes }))
    },
    async remove(location) {
      await client.send(new DeleteObjectCommand(at(location)))
    },
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}
