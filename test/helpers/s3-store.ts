import { readdir } from 'node:fs/promises'

import type { BlobStore } from '../../src/blobs/blob-store.ts'
import type { S3Options, S3Times } from '../../storage/blob/s3/options.ts'
import { openS3BlobStore } from '../../storage/blob/s3/store.ts'
import { isLocation } from '../../storage/blob/location.ts'
import { createBucket, type TestBucket } from './s3.ts'
import { tempDir } from './temp-dir.ts'

export interface S3World extends AsyncDisposable {
  readonly store: BlobStore
  readonly bucket: TestBucket
  readonly options: S3Options
  /** What an operator was told. */
  readonly warnings: readonly string[]
  /** Keys, uploads in parts and spooled files that are no published blobs. */
  leftovers(): Promise<readonly string[]>
}

/** How a store of that bucket is opened. */
export function s3OptionsOf(
  { bucket, endpoint, region, accessKeyId, secretAccessKey }: TestBucket,
  more: Partial<S3Options> = {},
): S3Options {
  return {
    bucket,
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    prefix: 'some/where/',
    checksums: true,
    settingPrefix: '--s3-',
    ...more,
  }
}

/** What `depot serve` is told of that bucket; a setting that is `undefined` is left out. */
export function s3Environment(
  { bucket, endpoint, region, accessKeyId, secretAccessKey }: TestBucket,
  other: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const all = {
    DEPOT_STORAGE_TYPE: 's3',
    DEPOT_S3_BUCKET: bucket,
    DEPOT_S3_REGION: region,
    DEPOT_S3_ENDPOINT: endpoint,
    DEPOT_S3_ACCESS_KEY_ID: accessKeyId,
    DEPOT_S3_SECRET_ACCESS_KEY: secretAccessKey,
    DEPOT_S3_FORCE_PATH_STYLE: 'true',
    // What the SDK would look for credentials in is no address of this machine.
    AWS_EC2_METADATA_DISABLED: 'true',
    ...other,
  }
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** A store over a bucket of its own, on the server at `url`. */
export async function openS3World(
  url: string,
  more: Partial<S3Options> = {},
  times: Partial<S3Times> = {},
): Promise<S3World> {
  await using opening = new AsyncDisposableStack()
  const bucket = opening.use(await createBucket(url))
  const dir = opening.use(await tempDir('s3-spool'))
  const options = s3OptionsOf(bucket, more)
  const warnings: string[] = []
  const warn = (message: string): void => void warnings.push(message)
  const store = opening.use(await openS3BlobStore({ s3: options, spool: dir.path, times, warn }))
  const opened = opening.move()
  return {
    store,
    bucket,
    options,
    warnings,
    leftovers: async () => [
      ...(await bucket.keys()).filter((key) => !isLocation(key.slice(options.prefix.length))),
      ...(await bucket.openUploads()),
      ...(await readdir(dir.path)),
    ],
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
