import { DepotError } from '../../src/errors.ts'
import { messageOf } from '../../src/thrown.ts'
import type { S3Options } from '../../storage/blob/s3/options.ts'
import { openBlobs } from '../../storage/open.ts'
import type { ServeConfig } from '../settings/config.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'

/** The buckets of S3: whether each answers to its credentials, lies in its region, and whether the clocks agree. Nothing is put there. */
export async function checkBuckets({ storePath, s3, stores }: ServeConfig): Promise<readonly Finding[]> {
  const several = (stores?.stores ?? []).flatMap(({ place }) => (place.type === 's3' ? [place.s3] : []))
  const buckets = s3 === undefined ? several : [s3]
  if (buckets.length === 0) return [skip('blobs do not lie in one')]
  return (await Promise.all(buckets.map((bucket) => lookAt(bucket, storePath)))).flat()
}

async function lookAt(s3: S3Options, storePath: string): Promise<readonly Finding[]> {
  const warnings: string[] = []
  const note = (message: string): void => void warnings.push(message)
  try {
    await using _store = await openBlobs({ storageType: 's3', storePath, s3, existing: true, warn: note })
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    return [fail(messageOf(error), 'depot serve --check-config   (when that setting is right)')]
  }
  const where = s3.endpoint === undefined ? '' : ` at ${s3.endpoint}`
  if (warnings.length > 0) return warnings.map((warning) => warn(warning, 'timedatectl set-ntp true'))
  return [ok(`${s3.bucket}${where} (${s3.region}) answers to these credentials, and its clock agrees with ours`)]
}
