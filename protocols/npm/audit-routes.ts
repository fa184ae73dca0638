import { z } from 'zod'

import { SOME_NAME } from '../../src/access.ts'
import { breath } from '../../src/breath.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonTextResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { affected, type Advisories, type Advisory } from './advisories.ts'
import { auditReport, readTree } from './audit-report.ts'

/** What `npm audit` asks, in the two forms that clients have. Without advisories nothing is found, and nothing fails. */
export function auditRoutes(advisories: Advisories): readonly Route[] {
  const quick = (request: DepotRequest): Promise<Response> => audit(advisories, request)
  return [
    route({
      method: 'POST',
      pattern: '/-/npm/v1/security/advisories/bulk',
      action: 'read',
      resource: SOME_NAME,
      handle: (request) => bulk(advisories, request),
    }),
    route({ method: 'POST', pattern: '/-/npm/v1/security/audits', action: 'read', resource: SOME_NAME, handle: quick }),
    route({
      method: 'POST',
      pattern: '/-/npm/v1/security/audits/quick',
      action: 'read',
      resource: SOME_NAME,
      handle: quick,
    }),
  ]
}

const versionsSchema = z.array(z.string().max(LIMITS.npmVersionLengthMax)).max(LIMITS.npmAuditVersionsMax)

/** npm 7 and newer, pnpm 11 and newer, yarn 4, bun: which of these versions have which weaknesses. */
async function bulk(advisories: Advisories, request: DepotRequest): Promise<Response> {
  const asked = await readBody(request)
  const found: string[] = []
  for (const [name, versions] of Object.entries(asked)) {
    const own = await affecting(advisories, request, name, readVersions(versions))
    if (own.length > 0) found.push(`${JSON.stringify(name)}:${JSON.stringify(own)}`)
  }
  return jsonTextResponse(200, `{${found.join(',')}}`, NO_STORE)
}

/** npm 6, pnpm up to 10, yarn 1: a whole tree, and a report about it. */
async function audit(advisories: Advisories, request: DepotRequest): Promise<Response> {
  const tree = readTree(await readBody(request))
  const found = new Map<string, readonly Advisory[]>()
  for (const [name, places] of tree.places) {
    const versions = readVersions([...places.keys()])
    const own = await affecting(advisories, request, name, versions)
    if (own.length > 0) found.set(name, own)
  }
  return jsonTextResponse(200, await auditReport(tree, found), NO_STORE)
}

const NO_STORE = { 'Cache-Control': 'no-store' } as const

function readVersions(versions: unknown): readonly string[] {
  return parseAs(versionsSchema, versions, 'the versions of a package')
}

async function readBody(request: DepotRequest): Promise<Readonly<Record<string, unknown>>> {
  const body = await readJson(request, LIMITS.npmAuditBodyBytesMax)
  // An audit of nothing asks about no name, and its answer tells of none.
  request.may('')
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>
  throw new DepotError('BAD_REQUEST', 'an audit asks with an object of packages')
}

/** What is known of these versions of a package, to callers who may read it: an advisory may be about a package that only some know. */
async function affecting(
  advisories: Advisories,
  request: DepotRequest,
  name: string,
  versions: readonly string[],
): Promise<readonly Advisory[]> {
  await breath()
  if (!request.may(name)) return []
  const known = advisories.of(name)
  if (known.length === 0) return []
  const own: Advisory[] = []
  for (const advisory of known) {
    await breath()
    if ((await affected(advisory, versions)).length > 0) own.push(advisory)
  }
  return own
}
