import { prefixEnd } from '../../../src/key-prefix.ts'
import { checkKeyCount, checkPageLimit, isKey, pageStart } from '../checks.ts'
import { keptBodies } from '../kept-bodies.ts'
import type { ReadsLater } from '../reads.ts'
import type { Pool } from './pool.ts'
import {
  AUDIT,
  AUDIT_HEAD,
  BLOB,
  BLOBS,
  BLOB_OF,
  BLOB_PLACES,
  CACHE,
  DOCUMENT,
  HOLDERS,
  LARGE_BODY,
  LISTS,
  PRESENT,
  RECORD,
  REFERENCES,
  STORES_NAMED,
} from './queries.ts'
import { runner } from './runner.ts'

/** Reads over a pool; drizzle writes each query once, the server prepares it once a connection. */
export function postgresReader(pool: Pool): ReadsLater {
  const run = runner(pool)
  const kept = keptBodies()
  return {
    cache: (name) => run.first(CACHE, { name }),
    get: async (cache, kind, key) => (isKey(key) ? run.first(RECORD, { cache, kind, key }) : undefined),
    async present(cache, kind, keys) {
      checkKeyCount(keys)
      const rows = await run.all(PRESENT, { cache, kind, keys: JSON.stringify(keys.filter(isKey)) })
      return rows.map(({ key }) => key)
    },
    async list(cache, kind, options) {
      const { start, inclusive } = pageStart(options)
      const query = LISTS[inclusive ? 'inclusive' : 'exclusive'][options.to === undefined ? 'open' : 'bounded']
      return run.all(query, { cache, kind, start, to: options.to, limit: options.limit })
    },
    blobOf: (cache, kindPrefix, digest) =>
      run.first(BLOB_OF, { cache, kindPrefix, kindEnd: prefixEnd(kindPrefix), digest }),
    async holders(cache, kindPrefix, digest, limit) {
      checkPageLimit(limit)
      return run.all(HOLDERS, { cache, kindPrefix, kindEnd: prefixEnd(kindPrefix), digest, limit })
    },
    blob: (domain, digest) => run.first(BLOB, { domain, digest }),
    async document(key) {
      if (!isKey(key.key) || !isKey(key.origin)) return undefined
      const known = kept.of(key)
      const row = await run.first(DOCUMENT, { ...key, known: known.etag })
      if (row === undefined) return undefined
      return kept.document(key, { ...row, body: row.bodyText ?? row.bodyBytes }, known, async () => {
        const large = await run.large(LARGE_BODY, { ...key, etag: row.etag })
        return large && (large.bodyBytes ?? Buffer.from(large.bodyText ?? ''))
      })
    },
    async blobs(after = { domain: '', digest: '' }, limit) {
      checkPageLimit(limit)
      return run.all(BLOBS, { ...after, limit })
    },
    async blobPlaces(after = { domain: '', digest: '' }, limit) {
      checkPageLimit(limit)
      return run.all(BLOB_PLACES, { ...after, limit })
    },
    storesNamed: () => run.all(STORES_NAMED, {}),
    async references(after = { cache: 0, kind: '', key: '', domain: '', digest: '' }, limit) {
      checkPageLimit(limit)
      return run.all(REFERENCES, { ...after, limit })
    },
    async audit(after, limit) {
      checkPageLimit(limit)
      return run.all(AUDIT, { after, limit })
    },
    auditHead: async () => (await run.first(AUDIT_HEAD, {}))?.seq ?? 0,
  }
}
