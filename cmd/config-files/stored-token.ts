/** Whether a value in a configuration file is a depot's stored token, and so ours to replace. */
export function isStoredToken(value: string): boolean {
  return /^dpt_\w+$/.test(value)
}

/** Whether it is one of these tokens, and so ours to take out. */
export function isTokenOf(value: string, ids: ReadonlySet<string>): boolean {
  return ids.has(/^dpt_(?<id>[0-9A-Za-z]+)_\w+$/.exec(value)?.groups?.['id'] ?? '')
}
