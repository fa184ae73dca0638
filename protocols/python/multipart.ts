import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'

/** One part of a form, in the order in which the parts arrive. */
export interface FormPart {
  readonly name: string
  readonly filename: string | undefined
  /** Its content, to be read once and before the next part is asked for; what is left unread is skipped. */
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * Read a `multipart/form-data` body (RFC 7578) as a stream. Memory is one piece of the body at a time.
 *
 * @throws DepotError `BAD_REQUEST` for another content type or a malformed form, `BODY_TRUNCATED` when the last boundary is
 * missing, `TOO_LARGE` for too many parts or headers, and whatever `body` throws
 */
export async function* readMultipart(
  body: AsyncIterable<Uint8Array>,
  contentType: string | null,
): AsyncGenerator<FormPart> {
  const delimiter = Buffer.from(`\r\n--${boundaryOf(contentType)}`)
  const reader = bufferedReader(body)
  try {
    // The first delimiter may stand at the very beginning, without the line break that belongs to all others.
    reader.unread(CRLF)
    await skip(contentUntil(reader, delimiter))
    for (let parts = 1; await anotherPart(reader); parts++) {
      if (parts > LIMITS.formFieldsMax)
        throw new DepotError('TOO_LARGE', `the form has more than ${LIMITS.formFieldsMax} fields`)
      const content = contentUntil(reader, delimiter)
      yield { ...(await partHeaders(reader)), body: content }
      await skip(content)
    }
    await skip(reader.rest())
  } finally {
    await reader.close()
  }
}

const CRLF = Buffer.from('\r\n')
const HEADERS_END = Buffer.from('\r\n\r\n')
const BOUNDARY = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"(?<quoted>[^"]+)"|(?<token>[^\s;"]+))/i
/** RFC 2046 §5.1.1. */
const BOUNDARY_VALUE = /^[\w'()+,\-./:=? ]{0,69}[\w'()+,\-./:=?]$/

function boundaryOf(contentType: string | null): string {
  const groups = BOUNDARY.exec(contentType ?? '')?.groups
  const boundary = groups?.['quoted'] ?? groups?.['token'] ?? ''
  if (!BOUNDARY_VALUE.test(boundary)) {
    throw new DepotError('BAD_REQUEST', 'an upload is a multipart/form-data form, as twine and uv send it')
  }
  return boundary
}

interface BufferedReader {
  /** What has arrived and was not taken. */
  readonly buffered: Buffer
  take(length: number): Buffer
  unread(bytes: Buffer): void
  /** Wait for more bytes. @throws DepotError `BODY_TRUNCATED` at the end of the body */
  more(): Promise<void>
  rest(): AsyncGenerator<Uint8Array>
  close(): Promise<void>
}

function bufferedReader(body: AsyncIterable<Uint8Array>): BufferedReader {
  const iterator = body[Symbol.asyncIterator]()
  let buffered: Buffer = Buffer.alloc(0)

  async function pull(): Promise<boolean> {
    const next = await iterator.next()
    if (next.done === true) return false
    const bytes = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
    buffered = buffered.byteLength === 0 ? bytes : Buffer.concat([buffered, bytes])
    return true
  }

  function take(length: number): Buffer {
    const taken = buffered.subarray(0, length)
    buffered = buffered.subarray(length)
    return taken
  }

  return {
    get buffered() {
      return buffered
    },
    take,
    unread(bytes) {
      buffered = Buffer.concat([bytes, buffered])
    },
    async more() {
      if (!(await pull())) throw new DepotError('BODY_TRUNCATED', 'the form ends before its last boundary')
    },
    async *rest() {
      do yield take(buffered.byteLength)
      while (await pull())
    },
    async close() {
      await iterator.return?.()
    },
  }
}

/** Everything before the next delimiter, which is taken too. */
async function* contentUntil(reader: BufferedReader, delimiter: Buffer): AsyncGenerator<Uint8Array> {
  for (;;) {
    const found = reader.buffered.indexOf(delimiter)
    if (found !== -1) {
      const last = reader.take(found)
      reader.take(delimiter.byteLength)
      yield last
      return
    }
    // The end of what is there may be the beginning of a delimiter.
    const safe = reader.buffered.byteLength - delimiter.byteLength + 1
    if (safe > 0) yield reader.take(safe)
    await reader.more()
  }
}

/** After a delimiter: two dashes end the form, a line break begins a part. */
async function anotherPart(reader: BufferedReader): Promise<boolean> {
  while (reader.buffered.byteLength < 2) await reader.more()
  const mark = reader.buffered.toString('latin1', 0, 2)
  if (mark === '--') return false
  if (mark === '\r\n') return true
  throw new DepotError('BAD_REQUEST', 'the form has a malformed boundary')
}

async function partHeaders(reader: BufferedReader): Promise<{ name: string; filename: string | undefined }> {
  for (;;) {
    const end = reader.buffered.indexOf(HEADERS_END)
    if (end > LIMITS.headerBytesMax || (end === -1 && reader.buffered.byteLength > LIMITS.headerBytesMax)) {
      throw new DepotError('TOO_LARGE', 'a part of the form has too long headers')
    }
    if (end !== -1) return parseHeaders(reader.take(end + HEADERS_END.byteLength).toString('utf8'))
    await reader.more()
  }
}

function parseHeaders(text: string): { name: string; filename: string | undefined } {
  const lines = text.split('\r\n').filter((line) => line !== '')
  const [disposition, second] = lines.filter((line) => /^content-disposition:/i.test(line))
  const encoding = lines.find((line) => /^content-transfer-encoding:/i.test(line))
  if (disposition === undefined || second !== undefined) throw malformed()
  if (encoding !== undefined && !/:\s*(?:7bit|8bit|binary)\s*$/i.test(encoding)) {
    throw new DepotError('UNSUPPORTED_CODEC', 'send the parts of the form as they are, without a transfer encoding')
  }
  const parameters = dispositionParameters(disposition)
  const name = parameters.get('name')
  if (name === undefined) throw malformed()
  return { name, filename: parameters.get('filename') }
}

const DISPOSITION = /^content-disposition:\s*form-data\s*(?=;)/i
const PARAMETER = /^\s*;\s*(?<name>[\w*-]+)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<token>[^\s;"]+))\s*/

/** Each parameter once, nothing between them: two readers must not see two different names. */
function dispositionParameters(line: string): ReadonlyMap<string, string> {
  const head = DISPOSITION.exec(line)
  if (head === null) throw malformed()
  const parameters = new Map<string, string>()
  let rest = line.slice(head[0].length)
  while (rest !== '') {
    const match = PARAMETER.exec(rest)
    const name = match?.groups?.['name']?.toLowerCase()
    if (match === null || name === undefined || parameters.has(name)) throw malformed()
    const quoted = match.groups?.['quoted']?.replace(/\\(["\\])/g, '$1')
    parameters.set(name, quoted ?? match.groups?.['token'] ?? '')
    rest = rest.slice(match[0].length)
  }
  return parameters
}

function malformed(): DepotError {
  return new DepotError('BAD_REQUEST', 'a part of the form has a malformed Content-Disposition')
}

async function skip(content: AsyncGenerator<Uint8Array>): Promise<void> {
  for await (const _ of content);
}
