import { readFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { startServerProcess } from '../helpers/server-process.ts'

/** What a process was started with, its own number being that of the process that was asked for. */
async function environment(pid: number): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(`/proc/${pid}/environ`, 'utf8')
  return new Map(text.split('\0').map((line) => [line.replace(/=.*/s, ''), line.replace(/^[^=]*=/, '')]))
}

describe('the launcher', () => {
  it('bounds the memory of a server before it begins, in the same process and beside what its operator set', async () => {
    await using server = await startServerProcess({ env: { NODE_OPTIONS: '--stack-trace-limit=20' } })
    const seen = await environment(server.pid)
    expect(seen.get('NODE_OPTIONS')).toBe('--stack-trace-limit=20 --max-semi-space-size=8')
    expect(seen.get('MALLOC_ARENA_MAX')).toBe('2')
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    expect(await server.stop()).toBe(0)
    expect(server.logs()).not.toMatch(/warning/i)
  })

  it('leaves alone what its operator bounded', async () => {
    await using server = await startServerProcess({
      env: { NODE_OPTIONS: '--max-semi-space-size=32', MALLOC_ARENA_MAX: '4' },
    })
    const seen = await environment(server.pid)
    expect(seen.get('NODE_OPTIONS')).toBe('--max-semi-space-size=32')
    expect(seen.get('MALLOC_ARENA_MAX')).toBe('4')
  })

  it('bounds what is left where its operator bounded one of the two', async () => {
    await using young = await startServerProcess({ env: { NODE_OPTIONS: '--max-semi-space-size=32' } })
    const one = await environment(young.pid)
    expect([one.get('NODE_OPTIONS'), one.get('MALLOC_ARENA_MAX')]).toEqual(['--max-semi-space-size=32', '2'])
    await using arenas = await startServerProcess({ env: { MALLOC_ARENA_MAX: '4' } })
    const other = await environment(arenas.pid)
    expect([other.get('NODE_OPTIONS'), other.get('MALLOC_ARENA_MAX')]).toEqual(['--max-semi-space-size=8', '4'])
  })
})
