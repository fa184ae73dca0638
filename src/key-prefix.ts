/** The first key behind all that start with `prefix`, whose last character must be ASCII; behind every key when it is empty. */
export function prefixEnd(prefix: string): string {
  if (prefix === '') return '\u{10ffff}'
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}
