import { readFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { parseTables, report, type Row, table, writtenRows } from './report.ts'
import { rateRows, timeRows } from './rows.ts'
import { chartOf, unmeasured, withFirstScreen } from './summary.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8')

describe('the results of the benches', () => {
  it('are what the table of the README says', () => {
    const readme = read('README.md')
    expect(readme).toBe(withFirstScreen(readme, parseTables(read('test/bench/RESULTS.md'))))
  })

  it('are what the chart shows', () => {
    expect(read('test/bench/scale.svg')).toBe(chartOf(parseTables(read('test/bench/RESULTS.md'))))
  })

  it('can be read as they were written, section by section', () => {
    const rows: Row[] = [
      { name: 'a', ours: '1/s', peer: 'nginx 2/s', ratio: 0.5, target: '>= 0.6', met: false },
      { name: 'b', ours: '3 MB', peer: '', ratio: undefined, target: '', met: true },
    ]
    const tables = new Map([['one', table('2 cores', rows)]])
    expect(parseTables(report(tables, ['none', 'one']))).toEqual(tables)
    expect(writtenRows(tables.get('one') ?? '')).toEqual([
      { name: 'a', ours: '1/s', peer: 'nginx 2/s', ratio: '0.50', target: '>= 0.6', met: '**no**' },
      { name: 'b', ours: '3 MB', peer: '', ratio: '', target: '', met: '' },
    ])
  })
})

describe('the first screen', () => {
  const README = 'Depot\n\n<!-- figures -->\nold\n<!-- /figures -->\n\n## Five minutes\n'
  const slow = { perSecond: 100, bytesPerSecond: 1, p50Ms: 1, p99Ms: 2, failures: 0 }
  const fast = { ...slow, perSecond: 1000 }
  const tablesOf = (ratio: number): ReadonlyMap<string, string> => {
    const compared = { ours: slow, peers: { 'bare Node': slow, nginx: fast }, aims: { nginx: { ratio } } }
    return new Map([['reads', table('', rateRows({ name: 'narinfo GET, 16 connections', ...compared }))]])
  }

  it('takes the row of the peer that it names and marks one that misses its aim', () => {
    const line = '| narinfo GET, 16 connections | 100/s, p99 2.0 ms | nginx 1,000/s, p99 2.0 ms |'
    expect(withFirstScreen(README, tablesOf(0.45))).toContain(`${line} **0.10**, aim >= 0.45 |\n`)
    expect(withFirstScreen(README, tablesOf(0.1))).toContain(`${line} 0.10 |\n`)
  })

  it('sets the depot beside the fastest where it names nobody', () => {
    const taken = timeRows('`uv publish` of 188 files', 4, { devpi: 30, pypiserver: 2 }, { devpi: 5, pypiserver: 0.95 })
    const written = withFirstScreen(README, new Map([['python', table('', taken)]]))
    expect(written).toContain('| `uv publish` of 188 files | 4.00 s | pypiserver 2.00 s | **0.50**, aim >= 0.95 |\n')
  })

  it('leaves the rest of the README as it is, and says what was not measured', () => {
    const written = withFirstScreen(README, tablesOf(0.1))
    expect(written).toMatch(/^Depot\n\n<!-- figures -->\n(?!old)[^]*\n<!-- \/figures -->\n\n## Five minutes\n$/)
    expect(written).toContain('| `npm ci` of 300 packages | not measured | Verdaccio | |')
    expect(unmeasured(tablesOf(0.1))).toContain('`npm ci` of 300 packages')
    expect(unmeasured(tablesOf(0.1))).not.toContain('narinfo GET, 16 connections')
  })

  it('is written nowhere but between its marks', () => {
    expect(() => withFirstScreen('Depot\n', new Map())).toThrow('the README has no lines <!-- figures -->')
  })
})
