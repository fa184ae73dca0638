import { type Tables, type WrittenRow, writtenRows } from './report.ts'
import { scaleChart } from './scale-chart.ts'

/** A row of the results that stands on the README's first screen. */
interface Figure {
  readonly section: string
  readonly name: string
  /** With what the cell of the peer begins; without one, the fastest of them stands there. */
  readonly peer?: string
}

const FIGURES: readonly Figure[] = [
  { section: 'reads', name: 'narinfo GET, 16 connections', peer: 'nginx' },
  { section: 'reads', name: 'narinfo GET, 16 connections, two workers', peer: 'nginx' },
  { section: 'reads', name: '10 kB `.nar.zst` GET, 16 connections', peer: 'nginx' },
  { section: 'nix-clients', name: '`nix copy --from` of 200 paths, 220 MB', peer: 'nginx' },
  { section: 'npm', name: 'small packument, 8 connections', peer: 'Verdaccio' },
  { section: 'npm', name: 'packument of 3,478 versions, 4 connections', peer: 'Verdaccio' },
  { section: 'npm', name: 'tarball of 3 kB, 8 connections', peer: 'Verdaccio' },
  { section: 'npm', name: '`npm install` of 300 packages without a lock file', peer: 'Verdaccio' },
  { section: 'npm', name: '`npm ci` of 300 packages', peer: 'Verdaccio' },
  { section: 'python', name: 'project page (JSON), 16 connections', peer: 'devpi' },
  { section: 'python', name: '`uv pip install` of 40 projects' },
  { section: 'python', name: '`uv publish` of 188 files' },
]

const BEGIN = '<!-- figures -->\n'
const END = '<!-- /figures -->\n'

/** Names of the rows that the first screen wants and the results do not have. */
export function unmeasured(tables: Tables): readonly string[] {
  return FIGURES.filter((figure) => rowOf(tables, figure) === undefined).map(({ name }) => name)
}

/** The part of the README between its marks, chart and table, from the results alone. */
export function firstScreen(tables: Tables): string {
  const lines = FIGURES.map((figure) => lineOf(figure, rowOf(tables, figure)))
  return `![Answers per second by records, waiting time by connections, downloads and memory by file size](test/bench/scale.svg)

| figure | Depot | beside it | ratio |
|---|---|---|---|
${lines.join('\n')}

The ratio says how many times as fast as the other one Depot is; **bold** misses its aim. \`npm run bench\` measures this and [all the rest](test/bench/RESULTS.md)
on your machine, and says first what it lacks.
`
}

/** The README with that part anew. @throws Error when it has no place for it */
export function withFirstScreen(readme: string, tables: Tables): string {
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`the README has no lines ${BEGIN.trim()} and ${END.trim()}`)
  return readme.slice(0, from + BEGIN.length) + firstScreen(tables) + readme.slice(to)
}

/** The chart beside it; undefined before the scale section was measured. */
export function chartOf(tables: Tables): string | undefined {
  const section = tables.get('scale')
  return section === undefined ? undefined : scaleChart(writtenRows(section))
}

function rowOf(tables: Tables, { section, name, peer = '' }: Figure): WrittenRow | undefined {
  const rows = writtenRows(tables.get(section) ?? '').filter((row) => row.name === name && row.peer.startsWith(peer))
  return rows.toSorted((a, b) => Number(a.ratio) - Number(b.ratio))[0]
}

function lineOf({ name, peer = '' }: Figure, row: WrittenRow | undefined): string {
  if (row === undefined) return `| ${name} | not measured | ${peer} | |`
  const { ours, peer: theirs, ratio, target, met } = row
  return `| ${name} | ${legible(ours)} | ${legible(theirs)} | ${met.includes('no') ? `**${ratio}**, aim ${target}` : ratio} |`
}

/** `22404/s` as `22,404/s`. */
function legible(text: string): string {
  return text.replaceAll(/\d{4,}(?=\/s)/g, (digits) => Number(digits).toLocaleString('en'))
}
