/** A setting of pip, as `pip install` sees it. */
export interface PipSetting {
  readonly value: string
  /** Its section, or `:env:`. */
  readonly from: string
  /** Values that it hides. */
  readonly others: readonly string[]
}

export type PipConfig = ReadonlyMap<string, PipSetting>

/** Weakest first (pip: cli/parser.py, _update_defaults). */
const SECTIONS = ['global', 'install', ':env:']
const LINE = /^(?<section>[^.\s]+)\.(?<key>[\w-]+)=(?<quote>['"])(?<value>.*)\k<quote>$/

/** Read what `pip config list` prints: its files are merged already, its sections are not. Pure. */
export function parsePipConfig(text: string): PipConfig {
  const found = new Map<string, PipSetting>()
  const lines = text.split('\n').map((line) => LINE.exec(line.trim())?.groups ?? {})
  for (const section of SECTIONS)
    for (const { section: from = '', key = '', value = '' } of lines.filter((line) => line['section'] === section)) {
      const hidden = found.get(key)
      const others = hidden === undefined ? [] : [...hidden.others, hidden.value]
      // Python writes a line break of a value as two characters.
      found.set(key, { value: value.replaceAll(String.raw`\n`, ' ').trim(), from, others })
    }
  return found
}
