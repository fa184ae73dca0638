import { Readable } from 'node:stream'

import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'

import type { BlobLocation } from '../../../src/blobs/blob-store.ts'
import { asked } from './ask.ts'
import { objectAt, type Bucket } from './bucket.ts'
import { BodyCut, isMissingObject, isNotFound } from './errors.ts'

/** What S3 says of an object. */
interface Head {
  readonly sizeBytes: number
  readonly etag: string
}

/** What S3 says of an object without sending it; undefined when there is none. */
export async function headObject(bucket: Bucket, location: BlobLocation): Promise<Head | undefined> {
  const head = await ask(bucket, location)
  if (head !== undefined || (await isMissing(bucket, location))) return head
  // Somebody has put it there meanwhile, or it was something on the way that did not find it.
  const again = await ask(bucket, location)
  if (again === undefined) throw new BodyCut('an object that is there, and is not')
  return again
}

/** Undefined when somebody says that there is nothing. */
async function ask(bucket: Bucket, location: BlobLocation): Promise<Head | undefined> {
  const command = new HeadObjectCommand(objectAt(bucket, location))
  try {
    const { ContentLength, ETag } = await asked((sending) => bucket.clients.work.send(command, sending))
    if (ContentLength !== undefined && ETag !== undefined) return { sizeBytes: ContentLength, etag: ETag }
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
  // It comes from something on the way: S3 says always how large an object is, and which one.
  throw new BodyCut('an answer that does not say what it is of')
}

/** A HEAD has no body that could say what was not found: the object, or for something on the way the server behind it. */
async function isMissing(bucket: Bucket, location: BlobLocation): Promise<boolean> {
  const command = new GetObjectCommand({ ...objectAt(bucket, location), Range: 'bytes=0-0' })
  try {
    const { Body } = await asked((sending) => bucket.clients.bodies.send(command, sending))
    if (Body instanceof Readable) Body.destroy()
    return false
  } catch (error) {
    if (isMissingObject(error)) return true
    throw error
  }
}
