import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'

import { describe, expect, it } from 'vitest'

import { startServerProcess } from '../../helpers/server-process.ts'

/** Names and priorities (proc_pid_stat(5), field 19) of the threads of a process. */
function threadsOf(pid: number): readonly { readonly id: number; readonly name: string; readonly niceness: number }[] {
  return readdirSync(`/proc/${pid}/task`).map((id) => {
    const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, 'latin1')
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    return { id: Number(id), name, niceness: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]) }
  })
}

// Elsewhere a thread has no priority of its own.
describe.runIf(process.platform === 'linux')('the threads of a server', () => {
  it('that compress and read files come behind the one that answers, and only they', async () => {
    await using server = await startServerProcess()
    const threads = threadsOf(server.pid)
    const own = getPriority()
    const pool = threads.filter(({ name }) => name === 'libuv-worker')
    expect(pool.length).toBeGreaterThan(0)
    for (const { niceness } of pool) expect(niceness).toBe(Math.min(own + 2, 19))
    for (const { id, name, niceness } of threads)
      if (name !== 'libuv-worker') expect({ id, name, niceness }).toEqual({ id, name, niceness: own })
  })

  it('are so in every worker', async () => {
    await using server = await startServerProcess({ args: ['--workers', '2'] })
    const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'latin1')
      .split(' ')
      .filter(Boolean)
    expect(children).toHaveLength(2)
    for (const pid of children.map(Number)) {
      const behind = threadsOf(pid).filter(({ niceness }) => niceness > getPriority())
      expect(new Set(behind.map(({ name }) => name))).toEqual(new Set(['libuv-worker']))
    }
  })
})
