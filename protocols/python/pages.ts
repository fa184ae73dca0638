import { createHash } from 'node:crypto'

import type { Depot, Rendering } from '../../src/depot.ts'
import type { HeaderList } from '../../src/http/header-list.ts'
import { chooseCoding, encodeText, type Coding } from '../../src/http/negotiate.ts'
import { documentResponse } from '../../src/http/respond.ts'
import type { Cache, DocumentKey } from '../../src/kv-store.ts'
import { choosePageType, type PageType } from './accept.ts'
import { type PageLinks, readProjectPage } from './project-page.ts'
import { noProject } from './project.ts'
import { PROJECT_KIND } from './records.ts'
import { projectHtml } from './simple-html.ts'
import { projectJson } from './simple-json.ts'

/** Where project pages stand: `/simple/<name>/`, or `/<name>/` for clients that were given the mount itself. */
export type PageStyle = 'simple' | 'short'

const LINKS: Readonly<Record<PageStyle, PageLinks>> = {
  simple: { files: '../../files/', integrity: '../../integrity/' },
  short: { files: '../files/', integrity: '../integrity/' },
}

const NO_SCRIPT = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** Checked at every use, so that an upload is seen at once; the entity tag keeps that cheap. */
const COMMON: HeaderList = [
  'Vary',
  'Accept, Accept-Encoding',
  'Cache-Control',
  'max-age=0, must-revalidate',
  'X-Content-Type-Options',
  'nosniff',
]
const PAGE_HEADERS: Readonly<Record<PageType, HeaderList>> = {
  json: ['Content-Type', 'application/vnd.pypi.simple.v1+json', ...COMMON],
  html: ['Content-Type', 'application/vnd.pypi.simple.v1+html; charset=utf-8', ...COMMON],
  'text-html': ['Content-Type', 'text/html; charset=utf-8', 'Content-Security-Policy', NO_SCRIPT, ...COMMON],
}

/** The stored document that answers a request for a page, and the headers it goes out with. */
export interface PageChoice {
  readonly document: DocumentKey
  readonly headers: HeaderList
  readonly format: 'json' | 'html'
  readonly coding: Coding
}

/** Choose by what the client accepts; cheap, because every request for a page comes through here. */
export function choosePage(
  cache: Cache,
  source: { readonly kind: string; readonly key: string; readonly style: PageStyle },
  header: (name: string) => string | undefined,
): PageChoice {
  const type = choosePageType(header('accept'))
  const coding = chooseCoding(header('accept-encoding'))
  const format = type === 'json' ? 'json' : 'html'
  const variant = `${source.style}-${format}${coding === '' ? '' : `+${coding}`}`
  return {
    document: { cache: cache.id, kind: source.kind, key: source.key, variant, origin: '' },
    headers: PAGE_HEADERS[type],
    format,
    coding,
  }
}

/** What a page needs to know of a request. */
export interface PageRequest {
  readonly method: string
  readonly headers: Headers
  readonly cache: Cache
}

/** @throws DepotError `NOT_FOUND` */
export async function projectPageResponse(
  depot: Depot,
  request: PageRequest,
  project: { readonly name: string; readonly style: PageStyle },
): Promise<Response> {
  const source = { kind: PROJECT_KIND, key: project.name, style: project.style }
  const choice = choosePage(request.cache, source, headerOf(request))
  const document = await depot.document(choice.document, async () => {
    const found = await readProjectPage(depot, request.cache, project.name, LINKS[project.style])
    const print = choice.format === 'json' ? projectJson : projectHtml
    return found && rendering(found.version, print(found.page), choice.coding)
  })
  if (document === undefined) throw noProject(project.name)
  return documentResponse(request, document, choice.headers)
}

export function headerOf(request: PageRequest): (name: string) => string | undefined {
  return (name) => request.headers.get(name) ?? undefined
}

/** A text in a coding, as it is stored and sent. */
export async function rendering(sourceVersion: number, text: string, coding: Coding): Promise<Rendering> {
  const body = await encodeText(text, coding)
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`
  return { body, etag, encoding: coding, sourceVersion }
}
