import { afterEach, describe, expect, it, vi } from 'vitest'

import { createApp } from '../../src/app.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { createReadiness, type Part } from '../../src/readiness.ts'
import { startWorld } from '../helpers/world.ts'

/** A part that does what it is told, and counts how often it was asked. */
function partOf(
  kind: Part['kind'],
  name: string = kind,
): Part & { asked: number; now: 'ok' | 'full' | 'down' | 'hang' } {
  const part = {
    name,
    kind,
    asked: 0,
    now: 'ok' as 'ok' | 'full' | 'down' | 'hang',
    async ping() {
      part.asked++
      if (part.now === 'full') throw new DepotError('STORAGE_FULL', 'no room')
      if (part.now === 'down') throw new Error('gone')
      if (part.now === 'hang') await new Promise(() => {})
    },
  }
  return part
}

afterEach(() => void vi.useRealTimers())

describe('readiness', () => {
  it('has the parts asked once for all who ask at a time, and for a second after', async () => {
    let now = 0
    const database = partOf('database')
    const readiness = createReadiness([database], () => now)
    await Promise.all(Array.from({ length: 100 }, () => readiness.check()))
    now = LIMITS.readinessSharedMs - 1
    await readiness.check()
    expect(database.asked).toBe(1)
    now = LIMITS.readinessSharedMs
    database.now = 'down'
    expect(await readiness.check()).toEqual({ isReady: false, parts: [{ name: 'database', state: 'down' }] })
    expect(database.asked).toBe(2)
  })

  it('is answered in time when a part hangs, which is not asked again and again', async () => {
    let now = 0
    const database = partOf('database')
    database.now = 'hang'
    const readiness = createReadiness([database, partOf('store')], () => now)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    for (let probe = 0; probe < 2; probe++) {
      const checked = readiness.check()
      await vi.advanceTimersByTimeAsync(LIMITS.readinessWaitMs)
      const { isReady, parts } = await checked
      expect({ isReady, parts }).toEqual({
        isReady: false,
        parts: [
          { name: 'database', state: 'no answer' },
          { name: 'store', state: 'ok' },
        ],
      })
      now += LIMITS.readinessSharedMs
    }
    expect(database.asked).toBe(1)
    now += LIMITS.readinessGivenUpMs
    database.now = 'ok'
    expect(await readiness.check()).toMatchObject({ isReady: true })
    expect(database.asked).toBe(2)
  })

  it('takes one store of several for enough, and none for too few', async () => {
    let now = 0
    const [first, second] = [partOf('store', 'store fast'), partOf('store', 'store cold')]
    const readiness = createReadiness([partOf('database'), first, second], () => now)
    second.now = 'down'
    expect(await readiness.check()).toEqual({
      isReady: true,
      parts: [
        { name: 'database', state: 'ok' },
        { name: 'store fast', state: 'ok' },
        { name: 'store cold', state: 'down' },
      ],
    })
    first.now = 'down'
    now += LIMITS.readinessSharedMs
    expect(await readiness.check()).toMatchObject({ isReady: false })
  })

  it('sends requests on to what is full, for reads go on there, and names it', async () => {
    const [database, store] = [partOf('database'), partOf('store')]
    database.now = 'full'
    store.now = 'full'
    expect(await createReadiness([database, store]).check()).toEqual({
      isReady: true,
      parts: [
        { name: 'database', state: 'full' },
        { name: 'store', state: 'full' },
      ],
    })
  })
})

describe('GET /readyz', () => {
  it('names the parts that are down, as text and as JSON', async () => {
    await using world = await startWorld()
    const [database, cold] = [partOf('database'), partOf('store', 'store cold')]
    cold.now = 'down'
    const lifecycle = { draining: false }
    const app = createApp({
      depot: world.depot,
      protocols: [],
      site: { loopback: true, allowedHosts: [] },
      parts: [database, partOf('store', 'store fast'), cold],
      lifecycle,
    })
    const ask = (accept: string): Promise<Response> =>
      app.fetch(new Request('http://localhost/readyz', { headers: { accept } }))
    const text = await ask('*/*')
    expect(text.status).toBe(200)
    expect(text.headers.get('cache-control')).toBe('no-store')
    expect(await text.text()).toBe('ready\nstore cold: down\n')
    const json = await ask('application/json')
    expect(await json.json()).toEqual({
      status: 'ready',
      parts: [
        { name: 'database', state: 'ok' },
        { name: 'store fast', state: 'ok' },
        { name: 'store cold', state: 'down' },
      ],
    })
    database.now = 'down'
    await expect.poll(async () => (await ask('*/*')).status).toBe(503)
    const refused = await ask('application/json;q=0.5, text/plain')
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.text()).toBe('not ready\ndatabase: down\nstore cold: down\n')
    lifecycle.draining = true
    expect(await (await ask('application/json')).json()).toEqual({ status: 'draining', parts: [] })
  })
})
