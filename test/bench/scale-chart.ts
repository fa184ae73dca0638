import { chart, type Colour, type Panel, type Series } from './chart.ts'
import type { WrittenRow } from './report.ts'

/** The chart of the scale section, drawn from its rows as they stand in the results. */
export function scaleChart(rows: readonly WrittenRow[]): string {
  const panels = [byRecords(rows), byConnections(rows), byFileSize(rows), memoryByFileSize(rows)]
  return chart('How cost grows with records, connections and file sizes', panels)
}

/** Which rows make a line: x stands in the first group of `name`, y in the first group of `figure`, in one of the row's cells. */
interface Line {
  readonly title: string
  readonly colour: Colour
  readonly name: RegExp
  readonly cell: 'ours' | 'peer'
  readonly figure: RegExp
}

const RATE = /([\d.]+)\/s/
const P99 = /p99 ([\d.]+) ms/
const MEGABYTES = /([\d.]+) MB\/s/

function byRecords(rows: readonly WrittenRow[]): Panel {
  const name = (kind: string): RegExp => new RegExp(`^${kind} GET among ([\\d,]+) records`)
  return {
    title: 'Answers per second on 16 connections',
    x: { label: 'records in the database', text: short },
    y: { scale: 'log', text: short },
    series: linesOf(rows, [
      { title: 'narinfo', colour: 'blue', name: name('narinfo'), cell: 'ours', figure: RATE },
      { title: 'packument', colour: 'green', name: name('packument'), cell: 'ours', figure: RATE },
      { title: 'simple page', colour: 'purple', name: name('simple page'), cell: 'ours', figure: RATE },
      { title: 'nginx', colour: 'grey', name: name('narinfo'), cell: 'peer', figure: /nginx ([\d.]+)\/s/ },
      { title: 'Verdaccio', colour: 'orange', name: name('packument'), cell: 'peer', figure: /Verdaccio ([\d.]+)\/s/ },
    ]),
  }
}

function byConnections(rows: readonly WrittenRow[]): Panel {
  const name = /^narinfo GET on ([\d,]+) connections/
  return {
    title: 'Slowest 1 % of narinfos wait at least, ms',
    x: { label: 'connections that ask all the time', text: short },
    y: { scale: 'log', text: String },
    series: linesOf(rows, [
      { title: 'Depot', colour: 'blue', name, cell: 'ours', figure: P99 },
      { title: 'nginx', colour: 'grey', name, cell: 'peer', figure: /nginx .*p99 ([\d.]+) ms/ },
      { title: 'bare Node', colour: 'orange', name, cell: 'peer', figure: /bare Node .*p99 ([\d.]+) ms/ },
    ]),
  }
}

function byFileSize(rows: readonly WrittenRow[]): Panel {
  const name = /^NAR of ([\d.]+ [KMG]iB) GET/
  return {
    title: 'Downloads, MB/s on 4 connections',
    x: { label: 'size of the file', text: sizeText },
    y: { scale: 'log', text: short },
    series: linesOf(rows, [
      { title: 'Depot', colour: 'blue', name, cell: 'ours', figure: MEGABYTES },
      { title: 'nginx', colour: 'grey', name, cell: 'peer', figure: MEGABYTES },
    ]),
  }
}

function memoryByFileSize(rows: readonly WrittenRow[]): Panel {
  const figure = /peak RSS ([\d.]+) MB/
  const name = (method: string): RegExp => new RegExp(`^NAR of ([\\d.]+ [KMG]iB) ${method}`)
  return {
    title: 'Memory of the depot at most, MB',
    x: { label: 'size of the file', text: sizeText },
    y: { scale: 'linear', text: short },
    series: linesOf(rows, [
      { title: 'while it comes in', colour: 'green', name: name('PUT'), cell: 'ours', figure },
      { title: 'while it goes out', colour: 'blue', name: name('GET'), cell: 'ours', figure },
    ]),
  }
}

function linesOf(rows: readonly WrittenRow[], lines: readonly Line[]): readonly Series[] {
  return lines.map(({ title, colour, name, cell, figure }) => {
    const points = rows.flatMap((row): [number, number][] => {
      const [x, y] = [name.exec(row.name)?.[1], figure.exec(row[cell])?.[1]]
      return x === undefined || y === undefined ? [] : [[amount(x), Number(y)]]
    })
    // No logarithm of nothing: what is too quick to be told is not drawn.
    return { name: title, colour, points: points.filter(([, y]) => y > 0) }
  })
}

const UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const

/** `1,000` or `64 KiB`. */
function amount(text: string): number {
  const [number = '', unit = ''] = text.replaceAll(',', '').split(' ')
  return Number(number) * (UNITS[unit as keyof typeof UNITS] ?? 1)
}

function sizeText(bytes: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, least]) => bytes >= least) ?? ['B', 1]
  return `${bytes / size} ${unit}`
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`
  return value >= 1e3 ? `${value / 1e3} k` : String(value)
}
