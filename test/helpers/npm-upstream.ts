import type { RequestListener } from 'node:http'

import { distOf, tarballOf, type PackageJson } from './npm-fixtures.ts'
import { startUpstream } from './upstream.ts'

/** A registry that remembers what it was asked, and answers as a test wants. */
export interface NpmUpstream extends AsyncDisposable {
  /** With its trailing slash. */
  readonly url: string
  /** Method and path of every request, in their order. */
  readonly asked: string[]
  /** What a path is answered with instead. */
  readonly answers: Map<string, RequestListener>
  /** So many requests more are answered; those behind them wait for ever. */
  left: number
  /** The document of a package, which may be changed. */
  document(name: string): Document
  /** Publish a version. The second argument stands in its manifest only. */
  add(packageJson: PackageJson, manifest?: Readonly<Record<string, unknown>>): Promise<Buffer>
}

export interface Document extends Record<string, unknown> {
  readonly name: string
  'dist-tags': Record<string, string>
  versions: Record<string, Record<string, unknown> & { dist: Record<string, unknown> }>
  time: Record<string, string>
}

export async function startNpmUpstream(): Promise<NpmUpstream> {
  const documents = new Map<string, Document>()
  const tarballs = new Map<string, Buffer>()
  const asked: string[] = []
  const answers = new Map<string, RequestListener>()
  const server = await startUpstream((incoming, outgoing) => {
    const path = decodeURIComponent(incoming.url ?? '')
    asked.push(`${incoming.method} ${path}`)
    if (upstream.left-- <= 0) return
    const answer = answers.get(path)
    if (answer !== undefined) return answer(incoming, outgoing)
    const document = documents.get(path.slice(1))
    const tarball = tarballs.get(path)
    if (document !== undefined) return outgoing.end(JSON.stringify(document))
    if (tarball !== undefined) return sendRange(tarball)(incoming, outgoing)
    return outgoing.writeHead(404).end('{"error":"not found"}')
  })

  function document(name: string): Document {
    const made: Document = { _id: name, name, 'dist-tags': {}, versions: {}, time: {}, readme: `# ${name}` }
    const found = documents.get(name) ?? made
    documents.set(name, found)
    return found
  }

  const upstream: NpmUpstream = {
    url: `${server.url}/`,
    asked,
    answers,
    left: Infinity,
    document,
    async add(packageJson, manifest = {}) {
      const { name, version } = packageJson
      const tarball = await tarballOf(packageJson)
      const path = `/${name}/-/${name.split('/').at(-1)}-${version}.tgz`
      tarballs.set(path, tarball)
      const own = document(name)
      const dist = { ...distOf(tarball), tarball: server.url + path, ...(manifest['dist'] as object | undefined) }
      own.versions[version] = { ...packageJson, ...manifest, dist }
      own['dist-tags']['latest'] = version
      own.time[version] = new Date(Date.UTC(2020, 0, Object.keys(own.versions).length)).toISOString()
      return tarball
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
  return upstream
}

/** Answers with some bytes, also with the rest of them. @param cutAfter end the connection after so many, before the rest is sent */
export function sendRange(bytes: Buffer, cutAfter?: number): RequestListener {
  return (incoming, outgoing) => {
    const from = Number(/^bytes=(\d+)-$/.exec(incoming.headers.range ?? '')?.[1] ?? 0)
    const range = from === 0 ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
    outgoing.writeHead(from === 0 ? 200 : 206, { 'content-length': bytes.length - from, ...range })
    if (cutAfter === undefined || from > 0) return void outgoing.end(bytes.subarray(from))
    outgoing.write(bytes.subarray(0, cutAfter), () => setTimeout(() => outgoing.destroy(), 20))
  }
}
