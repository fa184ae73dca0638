import { createHash } from 'node:crypto'

import { after } from '../../src/after.ts'
import type { Depot, Rendering } from '../../src/depot.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { chooseCoding, encodeText, type Coding } from '../../src/http/negotiate.ts'
import { documentResponse } from '../../src/http/respond.ts'
import type { Cache, DocumentKey } from '../../src/kv-store.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { ABBREVIATED_TYPE, chooseForm, FULL_TYPE, type Form } from './accept.ts'
import { parsePackageName } from './package-name.ts'
import { loadPackument, packageMissing, requirePackage, requireVersion } from './packages.ts'
import { renderPackument, servedManifest, tagsOf } from './packument.ts'
import { KIND } from './records.ts'
import { parseSelector, type Selector } from './version.ts'

/** What clients read before they install: packuments in both forms, one version's manifest, dist-tags. */
export function packumentRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'GET',
      pattern: '/:name',
      params: { name: parsePackageName },
      action: 'read',
      resource: ({ name }) => name,
      hot({ name }, request) {
        const origin = request.baseUrl()
        if (origin === undefined) return undefined
        const form = chooseForm(request.header('accept'))
        const coding = chooseCoding(request.header('accept-encoding'))
        return {
          document: documentKey(request.cache, name, origin, { form, coding }),
          headers: HEADERS[form],
          missing: () => after(depot.kv.get(request.cache.id, KIND.package, name), (record) => record === undefined),
        }
      },
      wanted: ({ name }) => name,
      handle: (request) => packument(depot, request),
    }),
    route({
      method: 'GET',
      pattern: '/:name/:selector',
      params: { name: parsePackageName, selector: parseSelector },
      action: 'read',
      resource: ({ name }) => name,
      handle: (request) => manifest(depot, request),
    }),
    route({
      method: 'GET',
      pattern: '/-/package/:name/dist-tags',
      params: { name: parsePackageName },
      action: 'read',
      resource: ({ name }) => name,
      handle: (request) => distTags(depot, request),
    }),
  ]
}

interface Representation {
  readonly form: Form
  readonly coding: Coding
}

/** Clients ask again each time, and mostly hear 304: what was published a second ago must be found. */
const REVALIDATE = ['Cache-Control', 'no-cache', 'X-Content-Type-Options', 'nosniff'] as const
const HEADERS: Readonly<Record<Form, HeaderList>> = {
  full: ['Content-Type', FULL_TYPE, 'Vary', 'Accept, Accept-Encoding', ...REVALIDATE],
  abbreviated: ['Content-Type', ABBREVIATED_TYPE, 'Vary', 'Accept, Accept-Encoding', ...REVALIDATE],
}
const JSON_HEADERS: HeaderList = ['Content-Type', FULL_TYPE, ...REVALIDATE]

function documentKey(cache: Cache, name: string, origin: string, { form, coding }: Representation): DocumentKey {
  return { cache: cache.id, kind: KIND.package, key: name, variant: variantOf({ form, coding }), origin }
}

function variantOf({ form, coding }: Representation): string {
  return coding === '' ? form : `${form}+${coding}`
}

async function packument(depot: Depot, request: DepotRequest<{ name: string }>): Promise<Response> {
  const { cache, headers, params } = request
  const form = chooseForm(headers.get('accept'))
  const representation = { form, coding: chooseCoding(headers.get('accept-encoding') ?? undefined) }
  const origin = request.baseUrl()
  const document = await depot.document(documentKey(cache, params.name, origin, representation), () =>
    render(depot, cache, params.name, origin, representation),
  )
  if (document === undefined) throw packageMissing(params.name)
  return documentResponse(request, document, HEADERS[form])
}

async function render(
  depot: Depot,
  cache: Cache,
  name: string,
  origin: string,
  representation: Representation,
): Promise<Rendering | undefined> {
  const loaded = await loadPackument(depot, cache, name)
  if (loaded === undefined) return undefined
  const text = renderPackument(representation.form, { ...loaded.source, origin })
  const { coding } = representation
  const body = await encodeText(text, coding)
  return { body, etag: etagOf(variantOf(representation), body), encoding: coding, sourceVersion: loaded.version }
}

/** Strong, and another one for each representation, even where two happen to have the same bytes. */
function etagOf(variant: string, body: string | Uint8Array): string {
  return `"${createHash('sha256').update(`${variant}\0`).update(body).digest('base64url').slice(0, 32)}"`
}

async function manifest(depot: Depot, request: DepotRequest<{ name: string; selector: Selector }>): Promise<Response> {
  const { cache, params } = request
  const found = await requireVersion(depot, cache, params.name, params.selector)
  return json(request, servedManifest(found, request.baseUrl()))
}

async function distTags(depot: Depot, request: DepotRequest<{ name: string }>): Promise<Response> {
  const { record } = await requirePackage(depot, request.cache, request.params.name)
  return json(request, tagsOf(record))
}

function json(request: DepotRequest<unknown>, value: unknown): Promise<Response> {
  const body = JSON.stringify(value)
  return documentResponse(request, { body, etag: etagOf('', body), encoding: '' }, JSON_HEADERS)
}
