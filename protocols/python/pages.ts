import { createHash } from 'node:crypto'

import type { Depot, Rendering } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { chooseCoding, encodeText, type Coding } from '../../src/http/negotiate.ts'
import { documentResponse } from '../../src/http/respond.ts'
import type { Cache, DocumentKey } from '../../src/kv-store.ts'
import type { HeaderList } from '../../src/protocol.ts'
import { choosePageType, type PageType } from './accept.ts'
import { FILE_KIND, LIST_KEY, LIST_KIND, parseFile, PROJECT_KIND, type PythonFile } from './records.ts'
import { projectHtml, projectListHtml } from './simple-html.ts'
import { projectJson, projectListJson } from './simple-json.ts'
import type { ListedFile, ProjectPage } from './simple-page.ts'
import { compareVersions, parseVersion } from './version.ts'

/** Where project pages stand: `/simple/<name>/`, or `/<name>/` for clients that were given the mount itself. */
export type PageStyle = 'simple' | 'short'

const FILES_URL: Readonly<Record<PageStyle, string>> = { simple: '../../files/', short: '../files/' }

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

interface PageRequest {
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
    const found = await readProject(depot, request.cache, project.name, FILES_URL[project.style])
    return found && rendering(found.version, (choice.format === 'json' ? projectJson : projectHtml)(found.page), choice)
  })
  if (document === undefined) throw new DepotError('NOT_FOUND', `there is no project ${project.name} here`)
  return documentResponse(request, document, choice.headers)
}

/** Its links are the same in both styles. */
export const LIST_SOURCE = { kind: LIST_KIND, key: LIST_KEY, style: 'simple' } as const

export async function projectListResponse(depot: Depot, request: PageRequest): Promise<Response> {
  const choice = choosePage(request.cache, LIST_SOURCE, headerOf(request))
  const render = async (version: number): Promise<Rendering> => {
    const names = await Array.fromAsync(depot.all(request.cache, PROJECT_KIND), ({ key }) => key)
    return rendering(version, (choice.format === 'json' ? projectListJson : projectListHtml)(names), choice)
  }
  const document = await depot.document(choice.document, async () => {
    // Read before the names: when a project comes in between, the page is too new for its version, and not stored.
    const list = await depot.get(request.cache, LIST_KIND, LIST_KEY)
    return list && render(list.version)
  })
  return documentResponse(request, document ?? (await render(0)), choice.headers)
}

function headerOf(request: PageRequest): (name: string) => string | undefined {
  return (name) => request.headers.get(name) ?? undefined
}

async function readProject(
  depot: Depot,
  cache: Cache,
  name: string,
  filesUrl: string,
): Promise<{ version: number; page: ProjectPage } | undefined> {
  const project = await depot.get(cache, PROJECT_KIND, name)
  if (project === undefined) return undefined
  const files = await Array.fromAsync(depot.all(cache, FILE_KIND, `${name}/`), (record) =>
    withVersion(parseFile(record)),
  )
  files.sort((a, b) => compareVersions(a.version, b.version) || (a.file.filename < b.file.filename ? -1 : 1))
  const versions = files.filter(({ version }, index) => {
    const before = files[index - 1]
    return before === undefined || compareVersions(before.version, version) !== 0
  })
  const page = {
    name,
    versions: versions.map(({ version }) => version.text),
    files: files.map(({ file }) => listed(file)),
    filesUrl: `${filesUrl}${name}/`,
  }
  return { version: project.version, page }
}

function withVersion(file: PythonFile) {
  const version = parseVersion(file.version)
  if (version === undefined) throw new Error(`the record of ${file.filename} has no valid version`)
  return { file, version }
}

function listed(file: PythonFile): ListedFile {
  const { filename, sha256, sizeBytes, requiresPython, uploadTime, yanked, metadata } = file
  return { filename, sha256, sizeBytes, requiresPython, uploadTime, yanked, metadataSha256: metadata?.sha256 }
}

async function rendering(sourceVersion: number, text: string, { coding }: PageChoice): Promise<Rendering> {
  const body = await encodeText(text, coding)
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`
  return { body, etag, encoding: coding, sourceVersion }
}
