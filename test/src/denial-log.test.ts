import { describe, expect, it } from 'vitest'

import { SOME_NAME } from '../../src/access.ts'
import { createDenialLog } from '../../src/denial-log.ts'
import { SILENT_EVENTS } from '../../src/events.ts'
import { LIMITS } from '../../src/limits.ts'
import { keyCaller, openCredentials } from '../helpers/credentials.ts'

const request = {
  method: 'PUT',
  target: '/npm/a?token=dpt_secret',
  address: '192.0.2.1',
  header: (name: string) => (name === 'user-agent' ? 'u'.repeat(1000) : undefined),
}
const resource = { cache: 'main', ecosystem: 'npm', name: '@acme/button' }

describe('refused changes', () => {
  it('stand in the audit log: who, what, from where, and no more of the request', async () => {
    await using world = await openCredentials()
    const denied = createDenialLog({ kv: world.kv, events: SILENT_EVENTS })
    const { principal } = keyCaller(1, '*:read:*')
    denied(principal, resource, request)
    denied(principal, { ...resource, name: SOME_NAME }, { ...request, method: 'POST' })
    await expect.poll(async () => (await world.kv.audit(0, 10)).length).toBe(2)
    const [first, second] = await world.kv.audit(0, 10)
    expect(first).toMatchObject({
      principal: principal.id,
      credential: 'jti',
      action: 'npm:PUT',
      resource: 'npm:@acme/button',
      digest: '',
      address: '192.0.2.1',
      userAgent: 'u'.repeat(LIMITS.userAgentCharsMax),
      result: 'denied',
    })
    expect(second).toMatchObject({ action: 'npm:POST', resource: 'npm:*' })
    expect(JSON.stringify(await world.kv.audit(0, 10))).not.toContain('dpt_')
  })

  it('of one key fill it no faster than a burst and then one a second; of another key they still get there', async () => {
    await using world = await openCredentials()
    const denied = createDenialLog({ kv: world.kv, events: SILENT_EVENTS })
    const [one, other] = [keyCaller(1, '*:read:*').principal, keyCaller(2, '*:read:*').principal]
    const began = performance.now()
    for (let count = 0; count < 500; count++) denied(one, resource, request)
    const seconds = (performance.now() - began) / 1000
    denied(other, resource, request)
    await expect.poll(async () => (await world.kv.audit(0, 1000)).at(-1)?.principal).toBe(other.id)
    const rows = await world.kv.audit(0, 1000)
    expect(rows.length).toBeLessThanOrEqual(LIMITS.denialsBurst + seconds + 3)
  })

  it('that cannot be written are told, and nobody waits for them', async () => {
    const told: unknown[] = []
    const events = { ...SILENT_EVENTS, unexpectedError: (_id: string, error: unknown) => void told.push(error) }
    await using world = await openCredentials()
    const kv = { ...world.kv, commit: () => Promise.reject(new Error('no disk')) }
    createDenialLog({ kv, events })(keyCaller(1).principal, resource, request)
    await expect.poll(() => told).toEqual([new Error('no disk')])
  })
})
