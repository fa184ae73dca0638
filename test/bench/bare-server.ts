import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import process from 'node:process'

/** What a bare server knows of one answer: its headers, in the order in which they are sent. */
export interface BareAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly etag: string
}

/**
 * `node bare-server.ts FOLDER PORT`: the least that Node can do for a GET. Answer number n at `/n` from memory, with its headers, Content-Length
 * and ETag, or 304 to who has it. It knows of nothing else: no logins, no log, no database.
 */
function serve(folder: string, port: number): void {
  const known = JSON.parse(readFileSync(path.join(folder, 'answers.json'), 'utf8')) as readonly BareAnswer[]
  const answers = new Map(
    known.map(({ headers, etag }, index) => {
      const body = readFileSync(path.join(folder, String(index)))
      return [`/${index}`, { body, etag, headers: { ...headers, ETag: etag, 'Content-Length': body.length } }]
    }),
  )
  createServer((request, response) => {
    const answer = answers.get(request.url ?? '')
    if (answer === undefined) response.writeHead(request.url === '/healthz' ? 200 : 404).end()
    else if (['*', answer.etag].includes(request.headers['if-none-match'] ?? ''))
      response.writeHead(304, { ETag: answer.etag }).end()
    else response.writeHead(200, answer.headers).end(answer.body)
  }).listen(port, '127.0.0.1')
}

if (process.argv[1] === import.meta.filename) serve(process.argv[2] ?? '', Number(process.argv[3]))
