import { expect, it } from 'vitest'

import { startReport } from '../../../cmd/transfer/report.ts'

it('says exactly in JSON what a file is called, and nothing that a terminal would obey', () => {
  const lines: string[] = []
  using report = startReport({ io: { out: (line) => void lines.push(line), err: () => {} }, json: true, verb: 'sent' })
  const outcome = {
    item: 'a\u001b[2J\u007f\u009b2J\u202e\u2028\u{e0041}é.whl',
    result: 'failed',
    reason: '\u009d',
  } as const
  report.add(outcome)
  const [line = ''] = lines
  expect(JSON.parse(line)).toEqual(outcome)
  expect(line).toMatch(/^[\x20-\x7eé]*$/)
})

it('counts what was left out for no other reason than that it was asked for, and lists the rest', () => {
  const lines: string[] = []
  using report = startReport({ io: { out: (line) => void lines.push(line), err: () => {} }, json: false, verb: 'sent' })
  report.add({ item: 'a', result: 'left out' })
  report.add({ item: 'b', result: 'left out', reason: 'no wheel' })
  expect(report.finish()).toBe(0)
  expect(lines).toEqual(['left out b: no wheel', 'sent 0 (0 bytes), 0 there already, 0 failed, 2 left out'])
})
