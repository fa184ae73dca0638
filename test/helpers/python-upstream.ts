import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

import { parseDistribution } from '../../protocols/python/filename.ts'
import { startUpstream } from './upstream.ts'
import type { BuiltFile } from './wheel.ts'

/** How an index behaves. Everything can be changed while it runs. */
export interface IndexModes {
  /** What it answers, whatever it is asked. */
  form: 'json' | 'html'
  /** What it says of a file's digest. */
  hashes: 'sha256' | 'md5' | 'none' | 'wrong'
  /** Whether METADATA is announced and there. */
  metadata: 'served' | 'missing' | 'wrong' | 'unannounced'
  /** Files end after half of their bytes, so often. */
  cuts: number
  /** Time before each file. */
  delayMs: number
  /** Projects that it has put in quarantine. */
  readonly quarantined: Set<string>
  /** Files that were yanked, and why. */
  readonly yanked: Map<string, string>
  /** What Authorization has to be, for pages and files. */
  authorization: string | undefined
  /** Requires-Python of some files. */
  readonly requiresPython: Map<string, string>
  /** Statuses that it answers with instead, by path. */
  readonly refusals: Map<string, number>
  /** Further links of every page. */
  readonly strange: string[]
}

/** An index that behaves as a test wants and remembers what it was asked. */
export interface PythonUpstream extends AsyncDisposable {
  /** Of its list of projects. */
  readonly index: string
  readonly url: string
  readonly modes: IndexModes
  /** Paths that were asked for since this was called last. */
  asked(): readonly string[]
  /** How many of them there are. */
  readonly askedCount: number
}

export const UPLOADED = '2020-02-03T04:05:06.123456Z'

export async function pythonUpstream(
  files: readonly BuiltFile[],
  modes: Partial<IndexModes> = {},
): Promise<PythonUpstream> {
  const current: IndexModes = {
    form: 'json',
    hashes: 'sha256',
    metadata: 'served',
    cuts: 0,
    delayMs: 0,
    quarantined: new Set(),
    yanked: new Map(),
    authorization: undefined,
    requiresPython: new Map(),
    refusals: new Map(),
    strange: [],
    ...modes,
  }
  let asked: string[] = []
  const upstream = await startUpstream((request, response) => {
    asked.push(request.url ?? '')
    void answer(files, current, request, response)
  })
  return {
    index: `${upstream.url}/simple/`,
    url: upstream.url,
    modes: current,
    get askedCount() {
      return asked.length
    },
    asked() {
      const before = asked
      asked = []
      return before
    },
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  }
}

async function answer(
  files: readonly BuiltFile[],
  modes: IndexModes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, kind = '', name = ''] = (request.url ?? '').split('/')
  if (modes.authorization !== undefined && request.headers.authorization !== modes.authorization)
    return void response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="index"' }).end()
  const refusal = modes.refusals.get(request.url ?? '')
  if (refusal !== undefined) return void response.writeHead(refusal, { 'Retry-After': '0' }).end()
  if (kind === 'simple') return sendPage(files, modes, { project: name, host: request.headers.host ?? '' }, response)
  const wanted = decodeURIComponent(name)
  const file = files.find(({ filename }) => wanted === filename || wanted.startsWith(`${filename}.`))
  if (file === undefined) return void response.writeHead(404).end()
  if (wanted.endsWith('.provenance')) return void response.end(provenanceOf(file))
  if (wanted.endsWith('.metadata')) {
    if (modes.metadata === 'missing' || modes.metadata === 'unannounced') return void response.writeHead(404).end()
    return void response.end(modes.metadata === 'wrong' ? 'Name: other\n' : file.metadata)
  }
  await new Promise((resolve) => setTimeout(resolve, modes.delayMs))
  sendFile(file.bytes, modes, request, response)
}

/** What the upstream gives for the provenance of a file: its bytes are kept, spaces and all. */
export function provenanceOf({ filename }: BuiltFile): string {
  return `{"version": 1,  "attestation_bundles": [], "for": "${filename}"}\n`
}

function sendFile(bytes: Buffer, modes: IndexModes, request: IncomingMessage, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const rest = bytes.subarray(from)
  const range = from > 0 ? { 'Content-Range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}
  response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': rest.length, ...range })
  if (modes.cuts === 0) return void response.end(rest)
  modes.cuts--
  response.write(rest.subarray(0, rest.length / 2), () => response.destroy())
}

function sendPage(
  files: readonly BuiltFile[],
  modes: IndexModes,
  { project, host }: { readonly project: string; readonly host: string },
  response: ServerResponse,
): void {
  const own = files.filter(({ filename }) => parseDistribution(filename).project === project)
  if (own.length === 0) return void response.writeHead(404).end()
  const isHtml = modes.form === 'html'
  response.setHeader('Content-Type', isHtml ? 'text/html; charset=utf-8' : 'application/vnd.pypi.simple.v1+json')
  const isQuarantined = modes.quarantined.has(project)
  const page = isHtml ? htmlPage(own, modes, isQuarantined) : jsonPage(own, modes, isQuarantined)
  // uv takes no relative one.
  response.end(page.replace('<base href="/">', `<base href="http://${host}/">`))
}

function jsonPage(files: readonly BuiltFile[], modes: IndexModes, isQuarantined: boolean): string {
  return JSON.stringify({
    meta: { 'api-version': '1.4' },
    'project-status': { status: isQuarantined ? 'quarantined' : 'active' },
    files: [
      ...modes.strange.map((filename) => ({ filename, url: `/files/${filename}`, hashes: {} })),
      ...files.map((file) => ({
        filename: file.filename,
        url: `../../files/${encodeURIComponent(file.filename)}`,
        hashes: hashesOf(file.bytes, modes.hashes),
        size: file.bytes.length,
        'upload-time': UPLOADED,
        'requires-python': modes.requiresPython.get(file.filename) ?? null,
        yanked: modes.yanked.get(file.filename) ?? false,
        ...(announcesMetadata(file, modes) ? { 'core-metadata': { sha256: sha256(file.metadata) } } : {}),
        provenance: `/files/${encodeURIComponent(file.filename)}.provenance`,
      })),
    ],
  })
}

function htmlPage(files: readonly BuiltFile[], modes: IndexModes, isQuarantined: boolean): string {
  const links = files.map((file) => {
    const [[algorithm, hash] = ['', '']] = Object.entries(hashesOf(file.bytes, modes.hashes))
    const fragment = algorithm === '' ? '' : `#${algorithm}=${hash}`
    const yanked = modes.yanked.get(file.filename)
    const metadata = announcesMetadata(file, modes) ? ` data-core-metadata="sha256=${sha256(file.metadata)}"` : ''
    const python = modes.requiresPython.get(file.filename)?.replaceAll('>', '&gt;').replaceAll('<', '&lt;')
    return `<a href="files/${encodeURIComponent(file.filename)}${fragment}"${metadata}${
      yanked === undefined ? '' : ` data-yanked="${yanked}"`
    }${python === undefined ? '' : ` data-requires-python="${python}"`}>${file.filename}</a><br>`
  })
  const strange = modes.strange.map((href) => `<a href="${href}">${href}</a>`)
  const status = isQuarantined ? '<meta name="pypi:project-status" content="quarantined">' : ''
  return `<!DOCTYPE html><html><head><base href="/">${status}</head><body>${[...strange, ...links].join('\n')}</body></html>`
}

function announcesMetadata({ filename }: BuiltFile, { metadata }: IndexModes): boolean {
  return metadata !== 'unannounced' && filename.endsWith('.whl')
}

function hashesOf(bytes: Buffer, kind: IndexModes['hashes']): Record<string, string> {
  if (kind === 'none') return {}
  if (kind === 'wrong') return { sha256: '0'.repeat(64) }
  return { [kind]: createHash(kind).update(bytes).digest('hex') }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
