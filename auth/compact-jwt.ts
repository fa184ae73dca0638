/** The parts of a JWT as its maker wrote them. */
export interface CompactJwt {
  readonly header: FlatObject
  readonly claims: FlatObject
}

type FlatObject = Readonly<Record<string, string | number | boolean | null>>

/**
 * Read a JWT in compact form (RFC 7515 §7.1) without looking at its signature, or undefined for what nobody means who makes a login:
 * base64url that has a second spelling, members that stand twice, of which one reader would see the first and another the last
 * (RFC 7515 §4), and values inside values. Pure.
 */
export function readCompactJwt(text: string): CompactJwt | undefined {
  const parts = text.split('.', PARTS + 1).map(decoded)
  const [header, claims] = parts.map((bytes) => (bytes === undefined ? undefined : flatObject(bytes.toString('utf8'))))
  return header === undefined || claims === undefined || parts.length !== PARTS || parts.includes(undefined)
    ? undefined
    : { header, claims }
}

const PARTS = 3
/** A string of a JSON text, and the colon that makes it the name of a member. */
const STRING = /"(?:[^"\\]|\\.)*"(?<colon>\s*:)?/g

function decoded(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url')
  return part !== '' && bytes.toString('base64url') === part ? bytes : undefined
}

function flatObject(text: string): FlatObject | undefined {
  const value = parsed(text)
  if (!isFlat(value)) return undefined
  const names = [...text.matchAll(STRING)].filter(({ groups }) => groups?.['colon'] !== undefined)
  return names.length === Object.keys(value).length ? value : undefined
}

function isFlat(value: unknown): value is FlatObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((each) => typeof each !== 'object' || each === null)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
