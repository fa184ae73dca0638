/** Stored tokens, logins and one-time secrets: npm's logout puts one into the path, and people put them anywhere. */
const SECRET = /(?:dpt_|eyJ)[\w.~%-]*/g

/** The text without anything that may be a credential, for logs. */
export function redacted(text: string): string {
  return text.includes('dpt_') || text.includes('eyJ') ? text.replaceAll(SECRET, '<secret>') : text
}
