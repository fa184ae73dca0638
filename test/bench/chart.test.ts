import { describe, expect, it } from 'vitest'

import { chart, linearTicks, logTicks } from './chart.ts'
import { table, writtenRows } from './report.ts'
import { scaleChart } from './scale-chart.ts'

describe('a chart', () => {
  it('has ticks around all values, by 1, 2 and 5 or from nothing', () => {
    expect(logTicks([0.4, 3])).toEqual([0.2, 0.5, 1, 2, 5])
    expect(logTicks([20, 20])).toEqual([20, 50])
    expect(linearTicks([97, 143])).toEqual([0, 50, 100, 150])
  })

  it('puts the least value at the bottom left and the most at the top right', () => {
    const points = [
      [1, 10],
      [100, 1000],
    ] as const
    const svg = chart('t', [
      {
        title: 'A < B',
        x: { label: 'x', text: String },
        y: { scale: 'log', text: String },
        series: [{ name: 'one', colour: 'blue', points }],
      },
    ])
    const places = svg.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)
    const [least, most] = Array.from(places, ([, x, y]) => ({ x: Number(x), y: Number(y) }))
    expect(least?.x).toBeLessThan(most?.x ?? 0)
    expect(least?.y).toBeGreaterThan(most?.y ?? 0)
    expect(svg).toContain('A &lt; B')
    expect(svg).toContain('prefers-color-scheme:dark')
  })

  it('draws the rows of the scale section as they stand in the results', () => {
    const row = { ratio: undefined, target: '', met: true }
    const rows = writtenRows(
      table('', [
        { ...row, name: 'narinfo GET among 1,000 records', ours: 'p50 1 ms, 900/s, p99 3.0 ms', peer: 'nginx 1000/s' },
        { ...row, name: 'narinfo GET among 10,000 records', ours: 'p50 1 ms, 800/s, p99 3.0 ms', peer: 'nginx 1000/s' },
        { ...row, name: 'narinfo GET on 1 connections', ours: '900/s, p99 0.5 ms', peer: 'nginx 900/s, p99 0.1 ms' },
        { ...row, name: 'NAR of 64 KiB PUT', ours: '10 MB/s, peak RSS 100 MB', peer: '' },
        { ...row, name: 'NAR of 64 KiB GET, 4 connections', ours: '50 MB/s, peak RSS 90 MB', peer: 'nginx 60 MB/s' },
      ]),
    )
    const svg = scaleChart(rows)
    expect(svg).toContain('>1 k</text>')
    expect(svg).toContain('>10 k</text>')
    expect(svg).toContain('>64 KiB</text>')
    expect(svg.match(/<circle/g)).toHaveLength(2 + 2 + 1 + 1 + 1 + 1 + 1 + 1)
  })
})
