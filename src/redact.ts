/** Stored tokens, logins and one-time secrets: npm's logout puts one into the path, and people put them anywhere. */
const SECRET = /(?:dpt_|eyJ)[\w.~%-]*/g

/** The text without anything that may be a credential, for logs. */
export function redacted(text: string): string {
  return text.includes('dpt_') || text.includes('eyJ') ? text.replaceAll(SECRET, '<secret>') : text
}

/** The text without names and passwords in its URLs, which files of others may have in them. */
export function withoutUserinfo(text: string): string {
  return text.replaceAll(USERINFO, '://<secret>@')
}

const USERINFO = /:\/\/[^/@\s]*@/g

const ESCAPE = /%(?<digits>[0-9a-f]{2})/gi
/** What needs no escape in a path (RFC 3986 §2.3). */
const UNRESERVED = /[\w.~-]/

/** The same for the raw path of a request, in which letters may be escaped that need not be. */
export function redactedPath(path: string): string {
  if (!path.includes('%')) return redacted(path)
  const plain = path.replaceAll(ESCAPE, (escape, digits: string) => {
    const character = String.fromCodePoint(Number.parseInt(digits, 16))
    return UNRESERVED.test(character) ? character : escape
  })
  const safe = redacted(plain)
  return safe === plain ? path : safe
}
