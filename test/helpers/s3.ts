import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'

/** How to reach an S3 server; all of them take a bucket's name in the path. */
export interface S3Access {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface TestBucket extends AsyncDisposable, S3Access {
  readonly bucket: string
  /** The test's own, to look behind the driver's back. */
  readonly client: S3Client
  /** Every key, sorted. */
  keys(prefix?: string): Promise<string[]>
  /** Keys of uploads in parts that were neither completed nor aborted. */
  openUploads(): Promise<string[]>
}

/** A bucket of a test's own on the server at `url` (`have.paths.s3`, `have.paths.s3Second`), removed with all that is in it when disposed. */
export async function createBucket(url: string): Promise<TestBucket> {
  const access = s3AccessOf(url)
  const client = s3Client(access)
  const bucket = `depot-${crypto.randomUUID()}`
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  return {
    ...access,
    bucket,
    client,
    keys: (prefix) => keysIn(client, bucket, prefix),
    openUploads: async () => (await uploadsIn(client, bucket)).map(({ Key = '' }) => Key),
    async [Symbol.asyncDispose]() {
      await empty(client, bucket)
      await client.send(new DeleteBucketCommand({ Bucket: bucket }))
      client.destroy()
    },
  }
}

/** A URL with its key and secret as user and password, in parts. */
export function s3AccessOf(url: string): S3Access {
  const { origin, username, password } = new URL(url)
  return {
    endpoint: origin,
    region: 'us-east-1',
    accessKeyId: decodeURIComponent(username),
    secretAccessKey: decodeURIComponent(password),
  }
}

/** Resolves when the server at `url` lists its buckets for the URL's credentials. */
export async function answersS3(url: string): Promise<void> {
  const client = s3Client(s3AccessOf(url))
  try {
    await client.send(new ListBucketsCommand({}), { abortSignal: AbortSignal.timeout(TIME_LIMIT_MS) })
  } finally {
    client.destroy()
  }
}

const TIME_LIMIT_MS = 20_000

function s3Client({ endpoint, region, accessKeyId, secretAccessKey }: S3Access): S3Client {
  return new S3Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true })
}

async function keysIn(client: S3Client, bucket: string, prefix?: string): Promise<string[]> {
  const keys: string[] = []
  const query = { Bucket: bucket, ...(prefix === undefined ? {} : { Prefix: prefix }) }
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, query)) {
    keys.push(...Contents.map(({ Key = '' }) => Key))
  }
  return keys.toSorted()
}

async function uploadsIn(client: S3Client, bucket: string) {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  return Uploads
}

async function empty(client: S3Client, bucket: string): Promise<void> {
  for (const { Key, UploadId } of await uploadsIn(client, bucket)) {
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
  }
  // Again until nothing is listed: a list may hide one key behind another (MinIO, for `x` beside `x/y`).
  for (let keys = await keysIn(client, bucket); keys.length > 0; keys = await keysIn(client, bucket)) {
    for (let at = 0; at < keys.length; at += 1000) {
      const Objects = keys.slice(at, at + 1000).map((Key) => ({ Key }))
      await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }))
    }
  }
}
