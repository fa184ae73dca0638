/** So many names a person reads in a message. */
export const LISTED_MAX = 10

/** Names for a message: the first `LISTED_MAX` of them, and how many more there are. */
export function listed(names: readonly string[]): string {
  const more = names.length > LISTED_MAX ? ` and ${names.length - LISTED_MAX} more` : ''
  return `${names.slice(0, LISTED_MAX).join(', ')}${more}`
}
