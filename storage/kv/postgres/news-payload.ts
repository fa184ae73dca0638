import { z } from 'zod'

import { LIMITS } from '../../../src/limits.ts'
import type { News } from '../../../src/siblings.ts'

/** What one server tells all others in one notification. */
export interface Told {
  /** Who tells it: PostgreSQL brings it back to whoever sent it. */
  readonly from: string
  readonly news: readonly News[]
}

/** PostgreSQL takes payloads of less than 8000 bytes (manual, NOTIFY). */
const PAYLOAD_BYTES_MAX = 7_999

const NEWS: z.ZodType<News> = z.union([
  z.literal('credentials changed'),
  z.strictObject({
    bucket: z.string().max(LIMITS.newsFieldCharsMax),
    change: z.enum(['charge', 'giveBack']),
    key: z.string().max(LIMITS.newsFieldCharsMax),
  }),
])
const TOLD = z.strictObject({ from: z.uuid(), news: z.array(NEWS) })

/** Read a notification. Undefined for anything that is none of ours: whoever may connect to a database may send one. */
export function readPayload(payload: string): Told | undefined {
  try {
    return TOLD.safeParse(JSON.parse(payload)).data
  } catch {
    return undefined
  }
}

/** As few notifications as hold the news, each short enough; news that could not be read again is left out. */
export function printPayloads({ from, news }: Told): readonly string[] {
  const frame = Buffer.byteLength(JSON.stringify({ from, news: [] }))
  const payloads: string[] = []
  let texts: string[] = []
  let bytes = frame
  function close(): void {
    if (texts.length > 0) payloads.push(`{"from":${JSON.stringify(from)},"news":[${texts.join(',')}]}`)
    texts = []
    bytes = frame
  }
  for (const one of news.filter((each) => NEWS.safeParse(each).success)) {
    const text = JSON.stringify(one)
    const more = Buffer.byteLength(text) + 1
    if (bytes + more > PAYLOAD_BYTES_MAX) close()
    texts.push(text)
    bytes += more
  }
  close()
  return payloads
}
