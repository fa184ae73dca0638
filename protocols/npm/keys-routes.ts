import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { parseProvenance } from './attestation.ts'
import { parsePackageName } from './package-name.ts'
import { loadVersion } from './packages.ts'
import { KIND, versionKey } from './records.ts'
import type { RegistryKeys } from './signing.ts'
import { parseVersion } from './version.ts'

/** What `npm audit signatures` and `pnpm audit signatures` check packages with: public keys, and statements about how one was made. */
export function keysRoutes(depot: Depot, keys: RegistryKeys | undefined): readonly Route[] {
  return [
    route({
      method: 'GET',
      pattern: '/-/npm/v1/keys',
      action: 'public',
      handle: () => {
        // Clients then check nothing, rather than miss signatures.
        if (keys === undefined) throw new DepotError('NOT_FOUND', 'this depot signs no packages')
        return jsonResponse(200, { keys: keys.published }, { 'Cache-Control': 'no-cache' })
      },
    }),
    route({
      method: 'GET',
      pattern: '/-/npm/v1/attestations/:spec',
      params: { spec: parseSpec },
      action: 'read',
      resource: ({ spec }) => spec.name,
      handle: (request) => attestations(depot, request),
    }),
  ]
}

interface Spec {
  readonly name: string
  readonly version: string
}

/** `name@version`. */
function parseSpec(segment: string): Spec | undefined {
  const at = segment.lastIndexOf('@')
  const name = parsePackageName(segment.slice(0, Math.max(at, 0)))
  const version = parseVersion(segment.slice(at + 1))
  return name === undefined || version === undefined ? undefined : { name, version }
}

async function attestations(depot: Depot, request: DepotRequest<{ spec: Spec }>): Promise<Response> {
  const { cache, params } = request
  const { name, version } = params.spec
  const found = await depot.get(cache, KIND.attestation, versionKey(name, version))
  // A deleted version takes its statement along, whoever deleted it.
  const live = found !== undefined && (await loadVersion(depot, cache, name, version)) !== undefined
  if (!live) throw new DepotError('NOT_FOUND', `there are no attestations of ${name}@${version}`)
  const { predicateType, bundle } = parseProvenance(String(JSON.parse(found.value)))
  return jsonResponse(200, { attestations: [{ predicateType, bundle }] }, { 'Cache-Control': 'no-cache' })
}
