/** Text between quotes in which sh, bash and zsh take every character for itself. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
