/** What somebody else wrote, fit for a terminal and one line: no control characters, and nothing that hides or turns text around. */
export function plain(text: string): string {
  return text.replaceAll(/\p{C}|[\u2028\u2029]/gu, '\uFFFD')
}
