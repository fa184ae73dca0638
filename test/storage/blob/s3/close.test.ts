import { Readable } from 'node:stream'

import type { GetObjectCommand } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'

import { blobLocation } from '../../../../src/blobs/blob-location.ts'
import type { Bucket } from '../../../../storage/blob/s3/bucket.ts'
import { openObject } from '../../../../storage/blob/s3/read.ts'

const LOCATION = blobLocation('main', 'ab'.repeat(32))
const MIB = 1024 * 1024
const SIZE = 10 * MIB

it('a reader lets go of every body, at whatever moment between a request and its answer it is closed', async () => {
  const left: number[] = []
  for (let moment = 0; moment < 50; moment++) {
    const bodies: Readable[] = []
    const stored = await openObject(answering(bodies), LOCATION)
    const read = stored.read(new Uint8Array(10), SIZE / 2)
    read.catch(() => {})
    for (let step = 0; step < moment; step++) await undefined
    await stored[Symbol.asyncDispose]()
    await Promise.allSettled([read])
    expect(bodies.length).toBeGreaterThan(0)
    if (bodies.some(({ destroyed }) => !destroyed)) left.push(moment)
  }
  expect(left).toEqual([])
})

/** A bucket that answers at once, which no server does: whatever happens then happens between two turns of the event loop. */
function answering(bodies: Readable[]): Bucket {
  async function send(command: GetObjectCommand, { abortSignal }: { readonly abortSignal: AbortSignal }) {
    const start = Number(/^bytes=(\d+)-/.exec(command.input.Range ?? '')?.[1] ?? 0)
    const Body = new Readable({
      read() {
        this.push(Buffer.alloc(65_536))
      },
    })
    bodies.push(Body)
    abortSignal.addEventListener('abort', () => Body.destroy())
    return {
      Body,
      ETag: '"whole"',
      ContentLength: SIZE - start,
      ...(start === 0 ? {} : { ContentRange: `bytes ${start}-${SIZE - 1}/${SIZE}` }),
    }
  }
  const times = { stallMs: 1000, besideMs: 1000, abandonedMs: 1000 }
  return { options: { bucket: 'b', prefix: '' }, times, clients: { bodies: { send } } } as unknown as Bucket
}
