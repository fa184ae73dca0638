/** One line of a table: a figure, what it is compared with, and what was aimed at. */
export interface Row {
  readonly name: string
  readonly ours: string
  readonly peer: string
  /** How many times as fast as the peer; above 1 the depot is faster. */
  readonly ratio: number | undefined
  /** Empty for a figure that nothing was aimed at. */
  readonly target: string
  readonly met: boolean
}

/** A line of a table as it was written, cell by cell. */
export interface WrittenRow {
  readonly name: string
  readonly ours: string
  readonly peer: string
  readonly ratio: string
  readonly target: string
  readonly met: string
}

/** Text of each section by its name. */
export type Tables = ReadonlyMap<string, string>

const HEAD = '| figure | depot | beside it | ratio | aim | met |\n|---|---|---|---|---|---|'

export function line({ name, ours, peer, ratio, target, met }: Row): string {
  const kept = target === '' ? '' : met ? 'yes' : '**no**'
  return `| ${name} | ${ours} | ${peer} | ${ratio === undefined ? '' : ratio.toFixed(2)} | ${target} | ${kept} |`
}

/** A section's table, below what was said of the machine and the versions. */
export function table(conditions: string, rows: readonly Row[]): string {
  return `${conditions}\n\n${HEAD}\n${rows.map(line).join('\n')}`
}

/** What was measured before, by section. */
export function parseTables(text: string): Map<string, string> {
  const parts = text.split(/^## /m).slice(1)
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n')).trim()]))
}

/** The rows of one section as they stand in the results. */
export function writtenRows(section: string): readonly WrittenRow[] {
  const lines = section.split('\n').filter((text) => text.startsWith('| '))
  return lines.slice(1).map((text) => {
    const [name = '', ours = '', peer = '', ratio = '', target = '', met = ''] = text
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.trim())
    return { name, ours, peer, ratio, target, met }
  })
}

/** The whole of RESULTS.md, its sections in the order of `names`. */
export function report(tables: Tables, names: readonly string[]): string {
  const sections = names.flatMap((name) => {
    const measured = tables.get(name)
    return measured === undefined ? [] : [`## ${name}\n\n${measured}\n`]
  })
  return `${INTRODUCTION}\n${sections.join('\n')}`
}

const INTRODUCTION = `# Figures

Written by \`npm run bench\`. Each figure is the median of interleaved rounds on one machine, and the ratio says how many times as fast as what
stands beside it the depot is: above 1 it is faster. Absolute figures differ between machines and hours, and ratios still between processors.

nginx and the bare Node server are ceilings: they know nothing of what they serve, the same bytes from a file and from memory. nginx has one
worker, sendfile and its access log on. The depot writes its access log, too.
`
