import { createHash } from 'node:crypto'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { documentResponse, sourceResponse, storedEtag, textResponse } from '../../src/http/respond.ts'
import { route, type Protocol } from '../../src/protocol.ts'

const word = (segment: string): string | undefined => (/^[a-z]+$/.test(segment) ? segment : undefined)
const hex = (segment: string): string | undefined => (/^[0-9a-f]{64}$/.test(segment) ? segment : undefined)
const TEXT = ['Content-Type', 'text/plain', 'Vary', 'Accept', 'Cache-Control', 'no-cache']
const BYTES = ['Content-Type', 'application/octet-stream', 'Cache-Control', 'immutable']

/** An ecosystem with nothing but the two things a depot has: bytes by digest and named text, each on both ways of answering. */
export const shelf: Protocol = {
  name: 'shelf',
  mount: '/shelf',
  routes: (depot) => [
    route({
      method: 'PUT',
      pattern: '/blob/:name',
      params: { name: word },
      action: 'write',
      async handle({ cache, params: { name }, body }) {
        await using staged = await depot.stage(cache, body(100_000_000), { encoding: 'raw' })
        const row = await staged.publish()
        await depot.commit(cache, {
          puts: [{ kind: 'shelf-blob', key: name, value: '{}', refs: [row.digest] }],
          blobs: [row],
        })
        return textResponse(201, row.digest)
      },
    }),
    route({
      method: 'GET',
      pattern: '/blob/:digest',
      params: { digest: hex },
      action: 'read',
      hot: ({ digest }, { cache }) => ({
        blob: () => depot.kv.blobOf(cache.id, 'shelf-', digest),
        encoding: 'raw',
        redirects: false,
        headers: BYTES,
      }),
      async handle(request) {
        const row = await depot.blobOf(request.cache, 'shelf-', request.params.digest)
        if (row === undefined) throw new DepotError('NOT_FOUND', 'no such blob')
        return sourceResponse(request, (await depot.open(row)).stored(), { headers: BYTES, etag: storedEtag(row) })
      },
    }),
    ...textRoutes(depot),
    route({
      method: 'POST',
      pattern: '/broken',
      action: 'write',
      handle() {
        throw new TypeError('a bug with a secret in its text')
      },
    }),
  ],
}

function textRoutes(depot: Depot) {
  const key = (cache: number, name: string) => ({ cache, kind: 'shelf-text', key: name, variant: 'text', origin: '' })
  return [
    route({
      method: 'PUT',
      pattern: '/text/:name',
      params: { name: word },
      action: 'write',
      async handle({ cache, params: { name }, query }) {
        await depot.commit(cache, { puts: [{ kind: 'shelf-text', key: name, value: query.get('value') ?? '' }] })
        return textResponse(201, 'written')
      },
    }),
    route({
      method: 'GET',
      pattern: '/text/:name',
      params: { name: word },
      action: 'read',
      hot: ({ name }, { cache }) => ({ document: key(cache.id, name), headers: TEXT }),
      async handle(request) {
        const { cache, params } = request
        const document = await depot.document(key(cache.id, params.name), async () => {
          const record = await depot.get(cache, 'shelf-text', params.name)
          if (record === undefined) return undefined
          const etag = `"${createHash('sha256').update(record.value).digest('hex')}"`
          return { body: record.value, etag, encoding: '', sourceVersion: record.version }
        })
        if (document === undefined) throw new DepotError('NOT_FOUND', 'no such text')
        return documentResponse(request, document, TEXT)
      },
    }),
  ]
}
