/** One line of a panel: its name in the key, its colour, and its points in the order of x. */
export interface Series {
  readonly name: string
  readonly colour: Colour
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Panel {
  readonly title: string
  /** What stands below each x that has a point; the distances are logarithmic. */
  readonly x: { readonly label: string; text(value: number): string }
  /** Logarithmic, or from nothing upwards. */
  readonly y: { readonly scale: 'log' | 'linear'; text(value: number): string }
  readonly series: readonly Series[]
}

/** Each for a light page and for a dark one, told apart without seeing colours by its dashes. */
const COLOURS = {
  blue: ['#0969da', '#58a6ff', ''],
  green: ['#1a7f37', '#56d364', ''],
  purple: ['#8250df', '#d2a8ff', ''],
  grey: ['#57606a', '#9ea7b3', '6 4'],
  orange: ['#bc4c00', '#f0883e', '2 4'],
} as const
export type Colour = keyof typeof COLOURS

const WIDTH = 480
const HEIGHT = 290
const PLOT = { left: 62, right: WIDTH - 22, top: 66, bottom: HEIGHT - 52 } as const

/** Panels side by side in twos, as an SVG that follows the reader's choice of a light or a dark page. */
export function chart(title: string, panels: readonly Panel[]): string {
  const [width, height] = [2 * WIDTH, Math.ceil(panels.length / 2) * HEIGHT]
  const drawn = panels.map(
    (panel, index) => `<g transform="translate(${(index % 2) * WIDTH} ${(index >> 1) * HEIGHT})">${draw(panel)}</g>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">
<title>${escape(title)}</title>
<style>${style()}</style>
<rect class="page" width="${width}" height="${height}" rx="8"/>
${drawn.join('\n')}
</svg>
`
}

/** Ticks of an axis around values above 0: 1, 2 and 5 times powers of ten, the first at or below all of them and the last at or above. */
export function logTicks(values: readonly number[]): readonly number[] {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const powers = Array.from({ length: 30 }, (_, index) => index - 12)
  const all = powers.flatMap((power) => [1, 2, 5].map((step) => Number(`${step}e${power}`)))
  const first = all.findLastIndex((tick) => tick <= least)
  const last = all.findIndex((tick) => tick >= most)
  return all.slice(first, Math.max(last, first + 1) + 1)
}

/** Ticks of an axis from 0: at most six, as far apart as a number of that kind, the last at or above all values. */
export function linearTicks(values: readonly number[]): readonly number[] {
  const most = Math.max(...values)
  const step = logTicks([most / 5]).find((tick) => tick >= most / 5) ?? most
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step)
}

function draw({ title, x, y, series }: Panel): string {
  const points = series.flatMap((one) => one.points)
  const columns = [...new Set(points.map(([value]) => value))].sort((a, b) => a - b)
  const heights = points.map(([, value]) => value)
  const ticks = y.scale === 'log' ? logTicks(heights) : linearTicks(heights)
  const across = scaleOf('log', [columns[0] ?? 1, columns.at(-1) ?? 1], [PLOT.left + 12, PLOT.right - 12])
  const up = scaleOf(y.scale, [ticks[0] ?? 0, ticks.at(-1) ?? 1], [PLOT.bottom, PLOT.top])
  const rows = ticks.map((tick) => {
    const at = round(up(tick))
    return `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${at}" y2="${at}"/><text class="end" x="${PLOT.left - 8}" y="${at + 4}">${escape(y.text(tick))}</text>`
  })
  const names = columns.map(
    (value) => `<text class="mid" x="${round(across(value))}" y="${PLOT.bottom + 18}">${escape(x.text(value))}</text>`,
  )
  const lines = series.map(({ colour, points: own }) => {
    const places = own.map(([at, value]) => [round(across(at)), round(up(value))] as const)
    const dots = places.map(([cx, cy]) => `<circle class="${colour} dot" cx="${cx}" cy="${cy}" r="3"/>`)
    return `<polyline class="${colour}" points="${places.map((place) => place.join(',')).join(' ')}"/>${dots.join('')}`
  })
  const label = `<text class="mid dim" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 38}">${escape(x.label)}</text>`
  const head = `<text class="head" x="${PLOT.left - 40}" y="28">${escape(title)}</text>`
  return [head, key(series), ...rows, ...names, label, ...lines].join('\n')
}

/** What each line is, one beside the other below the title. */
function key(series: readonly Series[]): string {
  let at = PLOT.left - 40
  return series
    .map(({ name, colour }) => {
      const from = at
      at += 32 + name.length * 6.8
      return `<line class="${colour}" x1="${from}" x2="${from + 16}" y1="46" y2="46"/><text x="${from + 21}" y="50">${escape(name)}</text>`
    })
    .join('')
}

function scaleOf(
  kind: 'log' | 'linear',
  [least, most]: readonly [number, number],
  [from, to]: readonly [number, number],
): (value: number) => number {
  const place = kind === 'log' ? Math.log : (value: number): number => value
  const span = place(most) - place(least)
  return (value) => (span === 0 ? (from + to) / 2 : from + ((to - from) * (place(value) - place(least))) / span)
}

function style(): string {
  const colours = (index: 0 | 1): string =>
    Object.entries(COLOURS)
      .map(([name, colour]) => `.${name}{stroke:${colour[index]}}.${name}.dot{fill:${colour[index]}}`)
      .join('')
  const dashes = Object.entries(COLOURS).map(([name, [, , dash]]) => `.${name}{stroke-dasharray:${dash || 'none'}}`)
  const page = (ground: string, text: string, dim: string, grid: string): string =>
    `.page{fill:${ground}}text{fill:${text}}.dim,.end,.mid{fill:${dim}}.grid{stroke:${grid}}`
  return [
    'text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}.head{font-size:15px;font-weight:600}',
    'polyline,line{fill:none;stroke-width:2}.grid{stroke-width:1}.dot{stroke:none}.end{text-anchor:end}.mid{text-anchor:middle}',
    ...dashes,
    page('#ffffff', '#1f2328', '#57606a', '#d8dee4') + colours(0),
    `@media(prefers-color-scheme:dark){${page('#0d1117', '#e6edf3', '#9ea7b3', '#30363d')}${colours(1)}}`,
  ].join('')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
