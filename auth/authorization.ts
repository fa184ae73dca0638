import { LIMITS } from '../src/limits.ts'

/** A credential by its kind, or why there is none to look at. */
export type Credential =
  | { readonly kind: 'login' | 'token'; readonly text: string }
  | { readonly kind: 'refused'; readonly reason: string }

const SCHEME = /^(?<scheme>bearer|basic) +(?<value>[\w.~+/=-]+)$/i

/**
 * The credential of an Authorization header: `Bearer <credential>`, or `Basic` with it as the password of any user name, as netrc, pip and
 * twine send it (RFC 9110 §11.4, RFC 7617). Pure.
 */
export function parseAuthorization(header: string): Credential {
  // Basic has a name besides, and base64 makes it longer by a third.
  if (header.length > 2 * LIMITS.credentialCharsMax) return refused('the header is too long')
  const groups = SCHEME.exec(header)?.groups
  if (groups === undefined) return refused('neither Bearer nor Basic')
  const value = groups['value'] ?? ''
  if (groups['scheme']?.toLowerCase() === 'bearer') return credentialOf(value)
  const password = passwordOf(value)
  return password === undefined ? refused('Basic without a name and a password') : credentialOf(password)
}

/** Names come in any character set, and mean nothing here; what a depot gives as a password is ASCII. */
function passwordOf(base64: string): string | undefined {
  const bytes = Buffer.from(base64, 'base64')
  const text = bytes.toString('latin1')
  return bytes.toString('base64') === base64 && text.includes(':') ? text.slice(text.indexOf(':') + 1) : undefined
}

/** Which kind of credential a text is; its form is checked by whoever verifies it. */
export function credentialOf(text: string): Credential {
  if (text.length > LIMITS.credentialCharsMax) return refused('the credential is too long')
  if (text.startsWith('dpt_')) return { kind: 'token', text }
  if (text.startsWith('eyJ')) return { kind: 'login', text }
  return refused('neither a login nor a stored token')
}

function refused(reason: string): Credential {
  return { kind: 'refused', reason }
}
