import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { documentResponse, textResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { readPlainText } from './content-encoding.ts'
import { parseDerivationName } from './derivation-name.ts'
import { findLocalRealisation } from './local-realisation.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import {
  derivationOutput,
  outputKey,
  parseHashId,
  parseOutputName,
  parseRealisation,
  parseStoredRealisation,
  printRealisation,
  trustedSignatures,
  type OutputId,
  type Realisation,
} from './realisation.ts'
import { textDocument } from './text-document.ts'

const REALISATION_KIND = 'nix-realisation'

/** Not `immutable`: further signatures may come. */
const HEADERS: HeaderList = ['Content-Type', 'application/json', 'Cache-Control', 'max-age=300']

/** What outputs of content-addressed derivations turned out to be: `realisations/…` for Nix up to 2.34, `build-trace-v2/…` since. */
export function realisationRoutes(depot: Depot, rules: NarinfoRules): readonly Route[] {
  const byHash = { pattern: '/realisations/:output', params: { output: parseHashId } } as const
  const byDerivation = {
    pattern: '/build-trace-v2/:derivation/:output',
    params: { derivation: parseDerivationName, output: parseOutputName },
  } as const
  const download = (request: DepotRequest, output: OutputId) => realisationResponse(depot, request, output, rules)
  const upload = (request: DepotRequest, output: OutputId) => storeRealisation(depot, request, output, rules)
  return [
    route({
      ...byHash,
      method: 'GET',
      action: 'read',
      handle: (request) => download(request, request.params.output),
    }),
    route({ ...byHash, method: 'PUT', action: 'write', handle: (request) => upload(request, request.params.output) }),
    route({
      ...byDerivation,
      method: 'GET',
      action: 'read',
      handle: (request) => download(request, derivationOutput(request.params)),
    }),
    route({
      ...byDerivation,
      method: 'PUT',
      action: 'write',
      handle: (request) => upload(request, derivationOutput(request.params)),
    }),
  ]
}

async function realisationResponse(
  depot: Depot,
  request: DepotRequest,
  output: OutputId,
  rules: NarinfoRules,
): Promise<Response> {
  const record = await depot.get(request.cache, REALISATION_KIND, outputKey(output))
  const known = record === undefined ? findLocalRealisation(rules.localStore, output) : parseStoredRealisation(record)
  if (known === undefined) throw new DepotError('NOT_FOUND', 'realisation not found')
  return documentResponse(request, textDocument(printRealisation(output, known, rules)), HEADERS)
}

async function storeRealisation(
  depot: Depot,
  request: DepotRequest,
  output: OutputId,
  rules: NarinfoRules,
): Promise<Response> {
  const said = parseRealisation(await readPlainText(request, LIMITS.realisationBytesMax), output)
  if (rules.requireTrustedSignature && trustedSignatures(output, said, rules).length === 0)
    throw untrusted(output, rules)
  const key = outputKey(output)
  const { cache } = request
  return depot.retryConflicts(async () => {
    const record = await depot.get(cache, REALISATION_KIND, key)
    const known = record && parseStoredRealisation(record)
    const merged = merge(output, known, said, rules)
    if (merged === known) return textResponse(200, '')
    await depot.commit(cache, {
      puts: [{ kind: REALISATION_KIND, key, value: JSON.stringify(merged), expected: record?.version ?? 0 }],
      audit: [auditEntry(request, { action: 'nix:write', resource: `realisation ${key}`, digest: '' })],
    })
    depot.events.recordWritten('nix', `realisation ${key}`)
    return textResponse(known === undefined ? 201 : 200, '')
  })
}

/**
 * What to store: `known` itself when nothing is new. The first path stays, as with narinfos; whoever says the same adds their signatures.
 *
 * @throws DepotError `CONFLICT`
 */
function merge(output: OutputId, known: Realisation | undefined, said: Realisation, rules: NarinfoRules): Realisation {
  const base = known ?? { ...said, signatures: [] }
  if (base.outPath !== said.outPath)
    throw new DepotError(
      'CONFLICT',
      `this cache holds ${base.outPath} for ${outputKey(output)}, and keeps it: your build gave ${said.outPath}. The build is not reproducible; take the path from this cache`,
    )
  const good = trustedSignatures(output, { ...base, signatures: said.signatures }, rules)
  const signatures = [...new Set([...base.signatures, ...good])]
  return signatures.length === known?.signatures.length ? known : { ...base, signatures }
}

function untrusted(output: OutputId, { trustedKeys }: NarinfoRules): DepotError {
  const names = trustedKeys.map(({ name }) => name).join(' or ')
  return new DepotError(
    'CONTENT_MISMATCH',
    `this cache takes the realisation of ${outputKey(output)} only with a signature of ${names} that is good: build with secret-key-files set`,
  )
}
