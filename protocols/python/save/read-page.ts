import { DepotError } from '../../../src/errors.ts'
import {
  addressIn,
  checkApiVersion,
  hashesIn,
  lastName,
  strongHashes,
  type IndexFile,
  type IndexPage,
} from './index-page.ts'
import { htmlTags, type HtmlTag } from './html-tags.ts'

/** An answer of an index. */
export interface PageAnswer {
  readonly text: string
  readonly contentType: string | null
  /** After redirects: links are relative to it. */
  readonly url: URL
}

/** What to ask for: JSON, but anything that can be read. */
export const PAGE_ACCEPT =
  'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01'

/**
 * Read a project's page: JSON (PEP 691) or HTML (PEP 503), as it says of itself; an index may answer either, whatever it was asked. Links
 * that lead to no file over http are passed over.
 *
 * @throws DepotError `BAD_REQUEST` for what is neither, and for a major version other than 1
 */
export function readPage({ text, contentType, url }: PageAnswer): IndexPage {
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const looksLikeJson = /^\s*\{/.test(text)
  const isJson = type.endsWith('json') || (!type.endsWith('html') && looksLikeJson)
  if (isJson) return readJsonPage(text, url)
  // Some say that everything is HTML.
  if (looksLikeJson) return readJsonPage(text, url)
  return readHtmlPage(text, url)
}

function readJsonPage(text: string, base: URL): IndexPage {
  const page = parsed(text)
  const files = page['files']
  if (!Array.isArray(files)) throw new DepotError('BAD_REQUEST', 'the index answers JSON that is no page of a project')
  checkApiVersion(textOf(fieldsOf(page['meta'])['api-version']) ?? '1.0')
  const status = fieldsOf(page['project-status'])
  return withStatus(
    files.flatMap((file: unknown) => jsonFile(fieldsOf(file), base)),
    textOf(status['status']),
    textOf(status['reason']),
  )
}

function parsed(text: string): Fields {
  try {
    return fieldsOf(JSON.parse(text))
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', 'the index answers something that is neither JSON nor HTML', { cause })
  }
}

function jsonFile(entry: Fields, base: URL): IndexFile[] {
  const filename = textOf(entry['filename'])
  const url = addressIn(textOf(entry['url']) ?? '', base)
  if (filename === undefined || filename === '' || url === undefined) return []
  const { size, provenance } = entry
  // PEP 714: the older name only where the newer one is not there.
  const metadata = metadataOf(entry['core-metadata'] ?? entry['data-dist-info-metadata'] ?? entry['dist-info-metadata'])
  const proof = typeof provenance === 'string' ? addressIn(provenance, base) : undefined
  return [
    {
      filename,
      url,
      hashes: strongHashes(Object.entries(fieldsOf(entry['hashes']))),
      ...(isSize(size) ? { sizeBytes: size } : {}),
      ...(metadata === undefined ? {} : { metadata }),
      ...(proof === undefined ? {} : { provenance: proof }),
      entry,
    },
  ]
}

function metadataOf(value: unknown): IndexFile['metadata'] {
  if (value === true) return {}
  return typeof value === 'object' && value !== null ? strongHashes(Object.entries(value)) : undefined
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function readHtmlPage(text: string, url: URL): IndexPage {
  const files: IndexFile[] = []
  const about = new Map<string, string>()
  let base: URL | undefined
  for (const tag of htmlTags(text)) {
    const { name, attributes } = tag
    if (name === 'base') base ??= addressIn(attributes.get('href') ?? '', url)
    else if (name === 'meta') about.set(attributes.get('name')?.toLowerCase() ?? '', attributes.get('content') ?? '')
    else if (name === 'a') files.push(...htmlFile(tag, base ?? url))
  }
  checkApiVersion(about.get('pypi:repository-version') ?? '1.0')
  return withStatus(files, about.get('pypi:project-status'), about.get('pypi:project-status-reason'))
}

function htmlFile({ attributes }: HtmlTag, base: URL): IndexFile[] {
  const href = attributes.get('href')
  const url = href === undefined ? undefined : addressIn(href, base)
  const filename = url === undefined ? undefined : lastName(url)
  if (url === undefined || filename === undefined) return []
  const hashes = hashesIn(url.hash.slice(1))
  url.hash = ''
  const metadata = attributes.get('data-core-metadata') ?? attributes.get('data-dist-info-metadata')
  const isThere = metadata !== undefined && metadata !== 'false'
  const provenance = attributes.get('data-provenance')
  const proof = provenance === undefined ? undefined : addressIn(provenance, base)
  const size = Number(attributes.get('data-size') ?? Number.NaN)
  const entry = {
    filename,
    url: url.href,
    hashes,
    ...field('requires-python', attributes.get('data-requires-python')),
    ...(isSize(size) ? { size } : {}),
    ...field('upload-time', attributes.get('data-upload-time')),
    yanked: attributes.has('data-yanked') ? attributes.get('data-yanked') || true : false,
    ...(isThere ? { 'core-metadata': Object.keys(hashesIn(metadata)).length > 0 ? hashesIn(metadata) : true } : {}),
    ...field('provenance', proof?.href),
  }
  return [
    {
      filename,
      url,
      hashes,
      ...(isSize(size) ? { sizeBytes: size } : {}),
      ...(isThere ? { metadata: hashesIn(metadata) } : {}),
      ...(proof === undefined ? {} : { provenance: proof }),
      entry,
    },
  ]
}

function field(name: string, value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined ? {} : { [name]: value }
}

function withStatus(files: readonly IndexFile[], status: string | undefined, reason: string | undefined): IndexPage {
  return status === undefined ? { files } : { files, status: { status, reason } }
}

type Fields = Readonly<Record<string, unknown>>

/** An object's own fields; none for everything else. */
function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
