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

/**
 * Line by line without cutting up a description of megabytes. A lone CR ends a line too, as in Python's own parser: pip and the depot
 * must not read different headers.
 */
function* lines(text: string): Generator<string> {
  let [newline, carriageReturn] = [-1, -1]
  for (let start = 0; start <= text.length;) {
    if (newline < start) newline = indexOrEnd(text, '\n', start)
    if (carriageReturn < start) carriageReturn = indexOrEnd(text, '\r', start)
    const end = Math.min(newline, carriageReturn)
    yield text.slice(start, end)
    start = newline === end + 1 && carriageReturn === end ? end + 2 : end + 1
  }
}

function indexOrEnd(text: string, searched: string, from: number): number {
  const index = text.indexOf(searched, from)
  return index === -1 ? text.length : index
}
