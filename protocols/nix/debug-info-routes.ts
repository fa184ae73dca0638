import { z } from 'zod'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { parseJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse, responseTo, textResponse } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { readPlainText } from './content-encoding.ts'
import { parseNarName } from './nar-name.ts'
import { nix32OfHex } from './nix32.ts'
import { KIND_PREFIX, parseUpload, UPLOAD_KIND } from './records.ts'

const DEBUG_INFO_KIND = 'nix-debuginfo'

const PATTERN = '/debuginfo/:buildId'
const BUILD_ID = /^(?<id>[0-9a-f]{40})(?:\.debug)?$/

/** `<build id>`, or with `.debug` behind it, as Nix itself names it. @throws DepotError `INVALID_NAME` */
function parseBuildId(segment: string): string {
  const id = BUILD_ID.exec(segment)?.groups?.['id']
  if (id === undefined) throw new DepotError('INVALID_NAME', 'a build id has 40 hexadecimal digits, in small letters')
  return id
}

const ARCHIVE = '../nar/'
const debugInfo = z.object({ archive: z.string().startsWith(ARCHIVE), member: z.string() })
type DebugInfo = z.infer<typeof debugInfo>

/** `debuginfo/<build id>`: in which archive, and where in it, the debug information of a program lies. Written with `index-debug-info`. */
export function debugInfoRoutes(depot: Depot): readonly Route[] {
  const common = { pattern: PATTERN, params: { buildId: parseBuildId } } as const
  return [
    route({
      ...common,
      method: 'GET',
      action: 'read',
      async handle(request) {
        const { cache, params } = request
        const record = await depot.get(cache, DEBUG_INFO_KIND, params.buildId)
        const info = record && (await servedInfo(depot, cache, record))
        if (info === undefined) throw new DepotError('NOT_FOUND', 'build id not found')
        return responseTo(request, jsonResponse(200, info, { 'Cache-Control': 'max-age=300' }))
      },
    }),
    route({
      ...common,
      method: 'PUT',
      action: 'write',
      async handle(request) {
        const text = await readPlainText(request, LIMITS.debugInfoBytesMax)
        const info = parseDebugInfo(parseJson(text), request.params.buildId)
        const outcome = await storeInfo(depot, request, info)
        return textResponse(outcome === 'created' ? 201 : 200, '')
      },
    }),
  ]
}

/** @throws DepotError `BAD_REQUEST`, `INVALID_NAME` */
function parseDebugInfo(json: unknown, buildId: string): DebugInfo {
  const { archive, member } = parseAs(debugInfo, json, 'the debug information')
  parseNarName(archive.slice(ARCHIVE.length))
  const place = `lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`
  if (member !== place) throw new DepotError('BAD_REQUEST', `the member of this build id is ${place}`)
  return { archive, member }
}

/** Two paths may hold the same program: the first one stays for as long as its archive does. */
async function storeInfo(
  depot: Depot,
  request: DepotRequest<{ readonly buildId: string }>,
  info: DebugInfo,
): Promise<'created' | 'unchanged'> {
  const { cache, params } = request
  const value = JSON.stringify(info)
  return depot.retryConflicts(async () => {
    const known = await depot.get(cache, DEBUG_INFO_KIND, params.buildId)
    if (known?.value === value || (known && (await servedInfo(depot, cache, known)))) return 'unchanged'
    await depot.commit(cache, {
      puts: [{ kind: DEBUG_INFO_KIND, key: params.buildId, value, expected: known?.version ?? 0 }],
      audit: [auditEntry(request, { action: 'nix:write', resource: `debuginfo/${params.buildId}`, digest: '' })],
    })
    depot.events.recordWritten('nix', `debuginfo/${params.buildId}`)
    return 'created'
  })
}

/**
 * What a record says, when its archive is here. Clients write it before the archive: what points to nothing is not there, so that the
 * next client sends it again.
 */
async function servedInfo(
  depot: Depot,
  cache: Cache,
  { value }: { readonly value: string },
): Promise<DebugInfo | undefined> {
  const info = debugInfo.parse(JSON.parse(value))
  const { fileName, digest, suffix } = parseNarName(info.archive.slice(ARCHIVE.length))
  const record = await depot.get(cache, UPLOAD_KIND, fileName)
  const upload = record && parseUpload(record)
  if (upload === undefined && suffix !== '' && suffix !== 'zst') return undefined
  if ((await depot.blobOf(cache, KIND_PREFIX, upload?.narHash ?? digest)) === undefined) return undefined
  // An archive that came as bzip2 is not written out as such again.
  return upload?.codec === 'bzip2' ? { ...info, archive: `${ARCHIVE}${nix32OfHex(upload.narHash)}.nar` } : info
}
