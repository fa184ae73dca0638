import { GetObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl, S3RequestPresigner } from '@aws-sdk/s3-request-presigner'

import type { BlobLocation, BlobStore, BlobUrlOptions } from '../../../src/blobs/blob-store.ts'
import { checkLocation } from '../location.ts'
import { objectAt, type Bucket } from './bucket.ts'
import { clockOffsetMs } from './check.ts'

/** See `BlobStore.url`. */
export type UrlSigner = NonNullable<BlobStore['url']>

/**
 * Signs URLs of the objects of a bucket. From a command to its URL the SDK takes seven times as long as it takes to sign, and what it finds
 * out on the way, address and region, is the same for all objects: it is found out once.
 */
export function createUrlSigner(bucket: Bucket): UrlSigner {
  const { work } = bucket.clients
  const presigner = new S3RequestPresigner({ ...work.config })
  let place: Place | undefined

  return async (location, { expiresSeconds, headers = {} }) => {
    place ??= placeIn(await getSignedUrl(work, new GetObjectCommand(objectAt(bucket, location))), location)
    const { address, pathPrefix, region } = place
    const { protocol, hostname, port, origin } = address
    const request = {
      method: 'GET',
      protocol,
      hostname,
      ...(port === '' ? {} : { port: Number(port) }),
      path: pathPrefix + checkLocation(location),
      query: answerQuery(headers),
      headers: {},
    }
    // By the clock of S3, which is the one that it is held against.
    const signingDate = new Date(Date.now() + clockOffsetMs(bucket))
    const signed = await presigner.presign(request, { expiresIn: expiresSeconds, signingDate, signingRegion: region })
    return `${origin}${signed.path}?${queryText(signed.query ?? {})}`
  }
}

/** Where all objects of a bucket are. */
interface Place {
  readonly address: URL
  /** What stands before a location. */
  readonly pathPrefix: string
  /** The one to sign for: the endpoint may want another than was configured. */
  readonly region: string
}

function placeIn(signed: string, location: BlobLocation): Place {
  const address = new URL(signed)
  const [bare = ''] = signed.split('?', 1)
  const [service, region] = (address.searchParams.get('X-Amz-Credential') ?? '').split('/').toReversed().slice(1)
  if (!bare.endsWith(location) || service !== 's3' || region === undefined)
    throw new Error('the SDK signed another URL than was asked for')
  return { address, pathPrefix: bare.slice(address.origin.length, -location.length), region }
}

function answerQuery(headers: NonNullable<BlobUrlOptions['headers']>): Record<string, string> {
  const { contentType, cacheControl, contentDisposition } = headers
  return {
    ...(contentType === undefined ? {} : { 'response-content-type': contentType }),
    ...(cacheControl === undefined ? {} : { 'response-cache-control': cacheControl }),
    ...(contentDisposition === undefined ? {} : { 'response-content-disposition': contentDisposition }),
  }
}

function queryText(query: Readonly<Record<string, string | readonly string[] | null>>): string {
  return Object.entries(query)
    .flatMap(([name, value]) => [value ?? ''].flat().map((one) => `${encoded(name)}=${encoded(one)}`))
    .join('&')
}

/** As it was signed: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, `UriEncode`. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
