import { z } from 'zod'

import type { Depot } from '../../src/depot.ts'
import { DepotError, hasCode } from '../../src/errors.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { sourceResponse, textResponse, wantedBytes } from '../../src/http/respond.ts'
import type { KvRecord } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { plainBody } from './content-encoding.ts'
import { parseDerivationName } from './derivation-name.ts'
import { findLocalLog, type FoundLog } from './local-log.ts'
import type { NarinfoRules } from './narinfo-rules.ts'

/** Not below the prefix of archives: what such a record refers to could be fetched, and signed, as one. */
const LOG_KIND = 'nixlog'

const PATTERN = '/log/:derivation'
const PARAMS = { derivation: parseDerivationName }
const HEADERS: HeaderList = [
  'Content-Type',
  'text/plain; charset=utf-8',
  'Cache-Control',
  'max-age=300',
  // A build prints what it likes, and a browser must not take it for a page.
  'X-Content-Type-Options',
  'nosniff',
]

const logRecord = z.object({ digest: z.string().regex(/^[0-9a-f]{64}$/) })

/**
 * `log/<name of a derivation>`: what its build printed. `nix log` reads it, by the derivation or by what it built; `nix store copy-log`
 * writes it. What was written comes before what the local store has.
 */
export function logRoutes(depot: Depot, { localStore }: Pick<NarinfoRules, 'localStore'>): readonly Route[] {
  const common = { pattern: PATTERN, params: PARAMS } as const
  return [
    route({
      ...common,
      method: 'GET',
      action: 'read',
      async handle(request) {
        const { params } = request
        const log = (await storedLog(depot, request)) ?? (await findLocalLog(localStore, params.derivation))
        if (log === undefined) throw notFound()
        return sourceResponse(request, log.source, { headers: HEADERS, etag: log.etag })
      },
    }),
    route({
      ...common,
      method: 'PUT',
      action: 'write',
      async handle(request) {
        const outcome = await storeLog(depot, request)
        return textResponse(outcome === 'created' ? 201 : 200, '')
      },
    }),
  ]
}

type LogRequest = DepotRequest<{ readonly derivation: string }>

/**
 * Store a log. Nothing vouches for one: no two builds print the same, so the last one stands, as in every cache that Nix writes to, and
 * the audit log keeps the digests of all of them.
 */
async function storeLog(depot: Depot, request: LogRequest): Promise<'created' | 'replaced'> {
  const { cache, params } = request
  const limitBytes = LIMITS.buildLogBytesMax
  await using staged = await depot.stage(cache, plainBody(request, limitBytes), { encoding: 'zstd', limitBytes })
  const known = await depot.get(cache, LOG_KIND, params.derivation)
  const row = await staged.publish()
  const value = JSON.stringify({ digest: row.digest })
  await depot.commit(cache, {
    puts: [{ kind: LOG_KIND, key: params.derivation, value, refs: [row.digest] }],
    blobs: [row],
    audit: [auditEntry(request, { action: 'nix:write', resource: `log/${params.derivation}`, digest: row.digest })],
  })
  depot.events.recordWritten('nix', `log/${params.derivation}`)
  return known === undefined ? 'created' : 'replaced'
}

/** @throws DepotError `NOT_FOUND` when one was written and its bytes are damaged or gone */
async function storedLog(depot: Depot, request: LogRequest): Promise<FoundLog | undefined> {
  const { cache, params } = request
  const record = await depot.get(cache, LOG_KIND, params.derivation)
  if (record === undefined) return undefined
  const row = await depot.blobOf(cache, LOG_KIND, digestOf(record))
  if (row === undefined) throw notFound()
  const etag = `"${row.digest}"`
  const range = wantedBytes(request, etag, row.sizeBytes)
  const blob = await depot.open(row, { of: 'content', range }).catch((error: unknown) => {
    throw hasCode(error, 'NOT_FOUND') ? notFound() : error
  })
  return { source: blob.content(), etag }
}

function digestOf(record: KvRecord): string {
  return logRecord.parse(JSON.parse(record.value)).digest
}

function notFound(): DepotError {
  return new DepotError('NOT_FOUND', 'log not found')
}
