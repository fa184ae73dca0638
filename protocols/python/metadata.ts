import { LIMITS } from '../../src/limits.ts'

/** The core metadata (packaging.python.org, "Core metadata specifications") that an index needs. */
export interface CoreMetadata {
  readonly name: string
  readonly version: string
  readonly requiresPython: string | undefined
  /** Whether an sdist's PKG-INFO says what the METADATA of every wheel made from it will say of its dependencies (PEP 643). */
  readonly holdsForWheels: boolean
}

/**
 * Read METADATA or PKG-INFO: headers as in an e-mail, up to the first empty line. Undefined when it does not name exactly one
 * project and one version, or has more lines of headers than anybody writes.
 */
export function parseCoreMetadata(content: Uint8Array): CoreMetadata | undefined {
  const headers = parseHeaders(new TextDecoder().decode(content))
  if (headers === undefined) return undefined
  const name = only(headers.get('name'))
  const version = only(headers.get('version'))
  if (name === undefined || version === undefined) return undefined
  return {
    name,
    version,
    requiresPython: only(headers.get('requires-python')),
    holdsForWheels: holdsForWheels(headers),
  }
}

/** PEP 643 came with 2.2. */
const SINCE_PEP_643 = /^2\.(?:[2-9]|\d\d)$/
/** What a resolver reads. */
const RESOLVED = new Set(['name', 'version', 'requires-dist', 'requires-python', 'provides-extra'])

function holdsForWheels(headers: ReadonlyMap<string, readonly string[]>): boolean {
  const dynamic = headers.get('dynamic') ?? []
  return (
    SINCE_PEP_643.test(only(headers.get('metadata-version')) ?? '') &&
    !dynamic.some((field) => RESOLVED.has(field.toLowerCase()))
  )
}

function only(values: readonly string[] | undefined): string | undefined {
  return values?.length === 1 ? values[0] : undefined
}

const WANTED = new Set(['metadata-version', 'name', 'version', 'requires-python', 'dynamic'])

function parseHeaders(text: string): ReadonlyMap<string, readonly string[]> | undefined {
  const headers = new Map<string, string[][]>()
  // The lines of one value, joined at the end: a value may be folded into a million of them.
  let last: string[] | undefined
  let count = 0
  for (const line of lines(text)) {
    if (++count > LIMITS.metadataLinesMax) return undefined
    const folded = line.startsWith(' ') || line.startsWith('\t')
    const colon = line.indexOf(':')
    // An empty line ends the headers; so does one that is none, as in Python's own parser.
    if (!folded && colon <= 0) break
    if (folded) {
      const more = line.trim()
      if (more !== '') last?.push(more)
      continue
    }
    const name = line.slice(0, colon).toLowerCase()
    last = undefined
    if (!WANTED.has(name)) continue
    last = [line.slice(colon + 1).trim()]
    const values = headers.get(name)
    if (values === undefined) headers.set(name, [last])
    else values.push(last)
  }
  return new Map([...headers].map(([name, values]) => [name, values.map((value) => value.join(' ').trim())]))
}

const CARRIAGE_RETURN = 0x0d

/** Line by line without cutting up a description of megabytes. */
function* lines(text: string): Generator<string> {
  for (let start = 0; start <= text.length;) {
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    yield text.slice(start, text.charCodeAt(end - 1) === CARRIAGE_RETURN ? end - 1 : end)
    start = end + 1
  }
}
