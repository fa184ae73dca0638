import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'

import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'

import { DepotError } from '../../../src/errors.ts'
import { asked } from './ask.ts'
import { bodyOf } from './body.ts'
import { keptAs, type Bucket } from './bucket.ts'
import { s3FaultOf } from './errors.ts'
import { listAll } from './list.ts'

/**
 * Do once what a depot does all the time, so that a wrong setting shows at the start.
 *
 * @param writes whether an object is put there, and removed again
 * @throws DepotError `STORAGE_DOWN` or `STORAGE_FULL` with one line that says which setting is wrong
 */
export async function checkBucket(bucket: Bucket, { writes }: { readonly writes: boolean }): Promise<void> {
  const { bucket: name, endpoint } = bucket.options
  try {
    // Unlike a HEAD of the bucket its refusals have a body that says why. Without the right to it, what is missing looks forbidden.
    const list = new ListObjectsV2Command({ Bucket: name, Prefix: bucket.options.prefix, MaxKeys: 1 })
    await asked((sending) => bucket.clients.work.send(list, sending))
    if (writes) await probe(bucket)
  } catch (error) {
    const fault = s3FaultOf(error, bucket.options)
    if (fault === undefined) throw error
    const where = endpoint === undefined ? '' : ` at ${endpoint}`
    throw new DepotError(
      fault.isFull ? 'STORAGE_FULL' : 'STORAGE_DOWN',
      `the bucket ${name}${where} cannot be used: ${fault.advice} (${fault.code})`,
    )
  }
}

const PROBE_PREFIX = 'probe-'
const PROBE_NAME = /^probe-[0-9a-f]{16}$/

/** Remove the probes of starts that were killed before they could. @param beforeMs younger ones may be in use */
export async function sweepProbes(bucket: Bucket, beforeMs: number, stop: AbortSignal): Promise<void> {
  const { options, clients } = bucket
  for await (const { Key = '', LastModified } of listAll(bucket, { prefix: PROBE_PREFIX, stop })) {
    const isProbe = PROBE_NAME.test(Key.slice(options.prefix.length))
    if (!isProbe || LastModified === undefined || LastModified.getTime() > beforeMs) continue
    const remove = new DeleteObjectCommand({ Bucket: options.bucket, Key })
    await asked((sending) => clients.work.send(remove, sending), { stop })
  }
}

/** How far the clock of this machine is behind that of S3, in milliseconds, as far as its answers told. */
export function clockOffsetMs({ clients }: Bucket): number {
  return clients.work.config.systemClockOffset
}

async function probe(bucket: Bucket): Promise<void> {
  const { options, clients } = bucket
  // No location has this form, and no two servers this name.
  const object = { Bucket: options.bucket, Key: `${options.prefix}${PROBE_PREFIX}${randomBytes(8).toString('hex')}` }
  const put = new PutObjectCommand({ ...object, ...keptAs(options), Body: PROBE })
  await asked((sending) => clients.work.send(put, sending))
  const remove = () => asked((sending) => clients.work.send(new DeleteObjectCommand(object), sending))
  const back = await readBack(bucket, new GetObjectCommand(object)).catch(async (error: unknown) => {
    // Each start would leave one, and what is wrong is what was met first.
    await remove().catch(() => {})
    throw error
  })
  await remove()
  if (back === PROBE) return
  const where =
    options.endpoint === undefined ? '' : `: is ${options.settingPrefix}endpoint ${options.endpoint} an S3 server?`
  throw new DepotError('STORAGE_DOWN', `the bucket ${options.bucket} gives back other bytes than it took${where}`)
}

/** As much of an object as tells whether it is the probe. */
async function readBack({ clients, times }: Bucket, get: GetObjectCommand): Promise<string | undefined> {
  const { Body } = await asked((sending) => clients.bodies.send(get, sending))
  if (!(Body instanceof Readable)) return undefined
  const body = bodyOf(Body, PROBE.length, times.stallMs)
  const bytes = Buffer.alloc(PROBE.length + 1)
  let filled = bytes.byteLength
  try {
    filled = await body.read(bytes)
    return bytes.toString('latin1', 0, filled)
  } finally {
    body.release(filled < bytes.byteLength)
  }
}

const PROBE = 'depot looks whether it may write here\n'
