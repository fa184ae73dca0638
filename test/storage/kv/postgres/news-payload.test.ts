import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { News } from '../../../../src/siblings.ts'
import { printPayloads, readPayload } from '../../../../storage/kv/postgres/news-payload.ts'

const from = '6a1f3c9e-5a0e-4d0e-9c55-0d6a4d7a7e11'
const name = fc.string({ unit: 'binary', maxLength: 128 })
const news: fc.Arbitrary<News> = fc.oneof(
  fc.constant<News>('credentials changed'),
  fc.record({ bucket: name, change: fc.constantFrom('charge' as const, 'giveBack' as const), key: name }),
)

describe('what servers tell each other in a notification', () => {
  it('arrives whole and in order, in payloads that PostgreSQL takes', () => {
    fc.assert(
      fc.property(fc.array(news, { maxLength: 300 }), (told) => {
        const payloads = printPayloads({ from, news: told })
        for (const payload of payloads) expect(Buffer.byteLength(payload)).toBeLessThan(8000)
        expect(payloads.flatMap((payload) => readPayload(payload)?.news ?? [])).toEqual(told)
      }),
    )
  })

  it('leaves out what nobody could read', () => {
    const long: News = { bucket: 'logins', change: 'charge', key: 'x'.repeat(9000) }
    expect(printPayloads({ from, news: [long] })).toEqual([])
    expect(printPayloads({ from, news: [long, 'credentials changed'] })).toHaveLength(1)
  })

  it.each([
    '',
    'nonsense',
    'null',
    '[]',
    '{"from":1,"news":[]}',
    `{"from":"${from}"}`,
    `{"from":"${from}","news":["everything changed"]}`,
    `{"from":"${from}","news":[{"bucket":"logins","change":"empty","key":"::1"}]}`,
    `{"from":"${from}","news":[{"bucket":"logins","change":"charge","key":"::1","__proto__":{}}]}`,
    `{"from":"${from}","news":["credentials changed"],"more":1}`,
  ])('is not heard when it is %j', (payload) => {
    expect(readPayload(payload)).toBeUndefined()
  })
})
