import { appendLines, bare, endOf, splitLines } from './lines.ts'

/** The words of a list setting over all its lines, `extra-` ones too. */
export function nixWords(text: string, setting: string): string[] {
  return splitLines(text)
    .map(parseLine)
    .filter((line) => line?.name === setting || line?.name === `extra-${setting}`)
    .flatMap((line) => line?.words ?? [])
}

/**
 * A list setting over several files, the first of them read first: a later line replaces what stands before it, `extra-` adds to it
 * (nix: libutil/config.cc).
 */
export function nixList(texts: readonly string[], setting: string, byDefault: readonly string[]): readonly string[] {
  let words = byDefault
  for (const line of texts.flatMap(splitLines).map(parseLine)) {
    if (line?.name === setting) words = line.words
    else if (line?.name === `extra-${setting}`) words = [...words, ...line.words]
  }
  return [...new Set(words)]
}

/** The files that a nix.conf includes, as it names them: whether they must be there or may. */
export function nixIncludes(text: string): readonly string[] {
  return splitLines(text).flatMap((line) => {
    const name = /^\s*!?include\s+(?<name>\S+)\s*$/.exec(bare(line).replace(/#.*$/, ''))?.groups?.['name']
    return name === undefined ? [] : [name]
  })
}

/** Add a word to a list setting of nix.conf, behind everything that is there, so that no line below replaces the list. */
export function addNixWord(text: string, setting: string, word: string): string {
  return nixWords(text, setting).includes(word) ? text : appendLines(text, [`extra-${setting} = ${word}`])
}

/** Remove a word from the `extra-` lines of a list setting, and a line that has no other. */
export function removeNixWord(text: string, setting: string, word: string): string {
  return splitLines(text)
    .map((line) => {
      const parsed = parseLine(line)
      if (parsed?.name !== `extra-${setting}` || !parsed.words.includes(word)) return line
      const words = parsed.words.filter((other) => other !== word)
      if (words.length === 0 && !line.includes('#')) return ''
      const comment = /\s*#.*$/.exec(bare(line))?.[0] ?? ''
      return `${parsed.name} = ${words.join(' ')}${comment}${endOf(line)}`
    })
    .join('')
}

/** The value of a setting that has one: the last line counts. */
export function nixValue(text: string, setting: string): string | undefined {
  const line = splitLines(text)
    .map(parseLine)
    .findLast((parsed) => parsed?.name === setting)
  return line?.words.join(' ')
}

/** Set a setting that is not set yet; one that is stays as it is. */
export function addNixValue(text: string, setting: string, value: string): string {
  return nixValue(text, setting) === undefined ? appendLines(text, [`${setting} = ${value}`]) : text
}

/** Remove a setting where it has this value. */
export function removeNixValue(text: string, setting: string, value: string): string {
  return splitLines(text)
    .filter((line) => {
      const parsed = parseLine(line)
      return parsed?.name !== setting || parsed.words.join(' ') !== value
    })
    .join('')
}

/** `name = word word # comment`; undefined for anything else: comments, includes. */
function parseLine(line: string): { readonly name: string; readonly words: readonly string[] } | undefined {
  const [name, equals, ...words] = bare(line)
    .replace(/#.*$/, '')
    .split(/[ \t\r]+/)
    .filter((word) => word !== '')
  return name === undefined || equals !== '=' ? undefined : { name, words }
}
