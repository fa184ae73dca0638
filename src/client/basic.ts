/** An Authorization header with a name and a password (RFC 7617). */
export function basicAuthorization(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** The one for the name and password in a URL, if it has any. */
export function userinfoAuthorization({ username, password }: URL): string | undefined {
  return username === '' && password === '' ? undefined : basicAuthorization(unescaped(username), unescaped(password))
}

/** People forget to escape a `%` in a password. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replaceAll(/(?:%[\da-f]{2})+/gi, (escapes) =>
      Buffer.from(escapes.replaceAll('%', ''), 'hex').toString(),
    )
  }
}
