import { describe, expect, it } from 'vitest'

import { describeProtocol } from '../conformance/protocol.ts'
import { toy } from '../fixtures/toy-protocol.ts'
import { startWorld } from '../helpers/world.ts'

describeProtocol({
  protocol: toy,
  readable: ['/notes/hello'],
  missing: '/notes/nowhere',
  async fill({ fetch }) {
    await fetch('/notes/hello', { method: 'PUT', body: 'hello, world' })
  },
})

describe('a fourth ecosystem of forty lines', () => {
  it('lives beside the others, none of them knowing', async () => {
    await using world = await startWorld({ extraProtocols: [toy] })
    expect((await world.fetch('/notes/beside', { method: 'PUT', body: 'here' })).status).toBe(201)
    expect(await (await world.fetch('/notes/beside')).text()).toBe('here')
    for (const path of ['/nix/nix-cache-info', '/npm/-/ping', '/python/simple/']) {
      expect((await world.fetch(path)).status).toBe(200)
    }
  })

  it('keeps what it is given, byte for byte, with ranges and replacement, and passes the check of the store', async () => {
    await using world = await startWorld({ protocols: [toy] })
    const put = (body: string) => world.fetch('/notes/list', { method: 'PUT', body })
    expect((await put('eggs, milk')).status).toBe(201)
    expect(await (await world.fetch('/notes/list')).text()).toBe('eggs, milk')
    const part = await world.fetch('/notes/list', { headers: { Range: 'bytes=6-' } })
    expect([part.status, await part.text()]).toEqual([206, 'milk'])
    expect((await put('eggs')).status).toBe(201)
    expect(await (await world.fetch('/notes/list')).text()).toBe('eggs')
  })

  it('gets the limits and the refusals of the depot without a word of its own', async () => {
    await using world = await startWorld({ protocols: [toy] })
    const tooLarge = await world.fetch('/notes/big', { method: 'PUT', body: 'x'.repeat(1_000_001) })
    expect(tooLarge.status).toBe(413)
    expect((await world.fetch('/notes/big')).status).toBe(404)
    const foreign = await world.fetch('/notes/web', {
      method: 'PUT',
      body: 'x',
      headers: { Origin: 'https://evil.example' },
    })
    expect(foreign.status).toBe(403)
    expect((await world.fetch('/notes/UPPER', { method: 'PUT', body: 'x' })).status).toBe(404)
  })
})
