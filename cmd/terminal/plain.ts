/** What somebody else wrote, fit for a terminal and one line: no control characters, and nothing that hides or turns text around. */
export function plain(text: string): string {
  return text.replaceAll(/\p{C}|[\u2028\u2029]/gu, '\uFFFD')
}

/** The same for text of several lines. A line that begins with what somebody else wrote is indented by whoever puts it there. */
export function plainLines(text: string): string {
  return text.split('\n').map(plain).join('\n')
}

/** A value as one line of JSON that says exactly that, fit for a terminal too: what `plain` takes away is escaped. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/\p{C}|[\u2028\u2029]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => escaped(character.charCodeAt(index))).join(''),
  )
}

function escaped(codeUnit: number): string {
  return `\\u${codeUnit.toString(16).padStart(4, '0')}`
}
