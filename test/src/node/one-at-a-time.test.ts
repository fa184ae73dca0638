import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { startTestProxy } from '../../helpers/proxy.ts'
import { exchange } from '../../helpers/raw-http.ts'
import { startUpstream } from '../../helpers/upstream.ts'
import { startWorld } from '../../helpers/world.ts'

/** How many of so many requests, sent at once, have a good answer. */
async function answered(url: string, count: number): Promise<number> {
  const { text } = await exchange(url, requests(url, count))
  return text.split('HTTP/1.1 200 ').length - 1
}

function requests(url: string, count: number): string {
  return `GET /npm/-/ping HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`.repeat(count)
}

describe('requests that do not wait for answers', () => {
  it('are answered in their order by a depot, as long as few of them wait', async () => {
    await using world = await startWorld()
    expect(await answered(world.url, LIMITS.requestsWaitingMax)).toBe(LIMITS.requestsWaitingMax)
    expect(await answered(world.url, 10 * LIMITS.requestsWaitingMax)).toBeLessThanOrEqual(LIMITS.requestsWaitingMax)
    expect(await answered(world.url, 1)).toBe(1)
  })

  it('go on to the depot of a proxy one after another', async () => {
    let open = 0
    let most = 0
    await using upstream = await startUpstream((_incoming, outgoing) => {
      most = Math.max(most, ++open)
      setTimeout(() => {
        open--
        outgoing.end('ok')
      }, 20)
    })
    await using proxy = await startTestProxy(upstream.url)
    expect(await answered(proxy.url, 5)).toBe(5)
    expect(most).toBe(1)
    await exchange(proxy.url, requests(proxy.url, 10 * LIMITS.requestsWaitingMax))
    expect(upstream.requests.length).toBeLessThanOrEqual(5 + LIMITS.requestsWaitingMax)
  })
})
