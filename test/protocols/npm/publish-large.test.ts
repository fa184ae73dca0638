import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

import { expect, it } from 'vitest'

import { largePublish } from '../../helpers/large-publish.ts'
import { startServerProcess } from '../../helpers/server-process.ts'

it('takes a large publish that comes in pieces, whole', { timeout: 120_000 }, async () => {
  await using server = await startServerProcess()
  const sha1 = createHash('sha1')
  const outgoing = request(`${server.url}/npm/large`, { method: 'PUT' })
  const answer = once(outgoing, 'response')
  Readable.from(largePublish(64, (bytes) => sha1.update(bytes))).pipe(outgoing)
  const [incoming] = (await answer) as [IncomingMessage]
  const text = Buffer.concat(await incoming.toArray()).toString()
  expect([incoming.statusCode, text]).toEqual([201, expect.stringContaining('created')])
  const { dist } = (await (await fetch(`${server.url}/npm/large/1.0.0`)).json()) as { dist: unknown }
  expect(dist).toMatchObject({ shasum: sha1.digest('hex') })
})
