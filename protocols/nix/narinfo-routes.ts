import { after } from '../../src/after.ts'
import type { Depot, Rendering } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { documentResponse, textResponse } from '../../src/http/respond.ts'
import type { Cache, Document, MaybePromise } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type Route } from '../../src/protocol.ts'
import { readPlainText } from './content-encoding.ts'
import { findLocal } from './local-path.ts'
import { isMissingPath } from './missing-path.ts'
import { localNarinfo, narinfoDocument, narinfoKey } from './narinfo-document.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import { parseNarinfo } from './narinfo.ts'
import { KIND_PREFIX, parsePathEntry, PATH_KIND } from './records.ts'
import { storePathEntry } from './store-path-entry.ts'
import { STORE_HASH_CLASS } from './store-path.ts'

const PATTERN = '/:file'
/** Not `immutable`: a path may be deleted, and may get further signatures. */
const HEADERS: HeaderList = ['Content-Type', 'text/x-nix-narinfo', 'Cache-Control', 'max-age=300']

const NARINFO_NAME = new RegExp(`^(?<hash>${STORE_HASH_CLASS})\\.narinfo$`)

/** `<store hash>.narinfo`; every other word at this place belongs to somebody else. */
function parseNarinfoName(segment: string): string | undefined {
  return NARINFO_NAME.exec(segment)?.groups?.['hash']
}

/** `GET <store hash>.narinfo`: of what was pushed, and where nothing was, of the local store. */
export function narinfoDownload(depot: Depot, rules: NarinfoRules): Route {
  return route({
    method: 'GET',
    pattern: PATTERN,
    params: { file: parseNarinfoName },
    action: 'read',
    hot: ({ file }, { cache }) => ({
      document: narinfoKey(cache, file, rules),
      headers: HEADERS,
      ...(rules.localStore && { otherwise: () => unlessStored(depot, cache, file, rules) }),
      missing: () => isMissingPath(depot, cache, file, rules.localStore),
    }),
    wanted: ({ file }) => file,
    async handle(request) {
      const { cache, params } = request
      const document = await depot.document(narinfoKey(cache, params.file, rules), () =>
        render(depot, cache, params.file, rules),
      )
      const found = document ?? localDocument(params.file, rules)
      if (found === undefined) throw notFound(params.file)
      return documentResponse(request, found, HEADERS)
    },
  })
}

/** `PUT <store hash>.narinfo`: 201 for a path that is new here, 200 for one that is known. */
export function narinfoUpload(depot: Depot, rules: NarinfoRules): Route {
  return route({
    method: 'PUT',
    pattern: PATTERN,
    params: { file: parseNarinfoName },
    action: 'write',
    async handle(request) {
      const narinfo = parseNarinfo(await readPlainText(request, LIMITS.narinfoBytesMax))
      if (narinfo.storePath.hash !== request.params.file)
        throw new DepotError('BAD_REQUEST', 'the hash in the URL is not that of StorePath')
      const outcome = await storePathEntry(depot, request, narinfo, rules)
      return textResponse(outcome === 'created' ? 201 : 200, '')
    },
  })
}

async function render(
  depot: Depot,
  cache: Cache,
  storeHash: string,
  rules: NarinfoRules,
): Promise<Rendering | undefined> {
  const record = await depot.get(cache, PATH_KIND, storeHash)
  if (record === undefined) return undefined
  const entry = parsePathEntry(record)
  const row = await depot.blobOf(cache, KIND_PREFIX, entry.narHash)
  // Without its archive a narinfo would keep clients from sending the archive again.
  return row && { ...narinfoDocument(entry, row, rules), sourceVersion: record.version }
}

/** The narinfo of a local path of which this depot has no record: one that is not rendered yet comes first. */
function unlessStored(
  depot: Depot,
  cache: Cache,
  storeHash: string,
  rules: NarinfoRules,
): MaybePromise<Document | undefined> {
  return after(depot.kv.get(cache.id, PATH_KIND, storeHash), (record) =>
    record === undefined ? localDocument(storeHash, rules) : undefined,
  )
}

/** Made each time: the store may lose the path, or hold another one, without telling anybody. */
function localDocument(storeHash: string, rules: NarinfoRules): Document | undefined {
  const found = findLocal(rules.localStore, storeHash)
  return found && localNarinfo(found.entry, rules)
}

function notFound(storeHash: string): DepotError {
  return new DepotError('NOT_FOUND', `/${storeHash}.narinfo not found`)
}
