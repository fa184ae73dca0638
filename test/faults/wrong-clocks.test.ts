import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { forge, loginFor, makeLoginKey } from '../helpers/forged-logins.ts'
import { describeWith } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'

const HOUR_MS = 60 * 60 * 1000
const PRELOAD = path.join(import.meta.dirname, '..', 'fixtures', 'wrong-clock.ts')

describeWith('postgres', 'two servers over one database', () => {
  it.each([
    ['an hour ahead', 3600, HOUR_MS],
    ['a day ahead', 86_400, 24 * HOUR_MS],
    ['an hour behind', 3600, -HOUR_MS],
    ['a day behind', 86_400, -24 * HOUR_MS],
  ])(
    'one of which is %s, let the same callers in, for as long',
    { timeout: 120_000 },
    async (_name, seconds, aheadMs) => {
      await using dir = await tempDir('clocks')
      await using database = await createDatabase()
      const key = makeLoginKey()
      const authFile = dir.join('auth')
      await writeFile(authFile, `w ${key.line}\n`, { mode: 0o600 })
      const dataDir = dir.join('data')
      const args = [`--database-url=${database.url}`, `--auth-file=${authFile}`, '--read-auth=always']
      await using right = await startServerProcess({ dataDir, args })
      const env = { NODE_OPTIONS: `--import=${PRELOAD}`, TEST_CLOCK_AHEAD_MS: String(aheadMs) }
      await using wrong = await startServerProcess({ dataDir, args, env })
      const servers = [right, wrong]
      const way = aheadMs > 0 ? 'ahead of' : 'behind'
      const told = new RegExp(`the clock of this machine is (\\d+) s ${way} that of PostgreSQL`).exec(wrong.logs())
      // Right to half the time that PostgreSQL took to answer.
      expect(Math.abs(Number(told?.[1]) - seconds)).toBeLessThan(10)
      expect(right.logs()).not.toContain('the clock of this machine')

      /** One file, by a login for this very upload. */
      async function upload(server: ServerProcess, version: string) {
        const wheel = buildWheel({ name: 'clocks', version })
        const at = `/python/clocks/${wheel.filename}`
        const login = loginFor(key, server.url, 'PUT', at)
        const send = () => statusOf(server, at, login, { method: 'PUT', body: Uint8Array.from(wheel.bytes) })
        return { send, at, bytes: wheel.bytes }
      }

      const first = await upload(right, '1.0')
      expect(await first.send()).toBeLessThan(300)
      // Each server clears away used logins now and then, and with its first change.
      const second = await upload(wrong, '2.0')
      expect(await second.send()).toBeLessThan(300)
      await sleep(500)
      expect(await first.send()).toBe(401)
      expect(await second.send()).toBe(401)

      for (const maker of servers) {
        const long = await token(maker, 60)
        const short = await token(maker, 2)
        for (const server of servers) expect(await statusOf(server, first.at, long)).toBe(200)
        for (const server of servers)
          await expect.poll(() => statusOf(server, second.at, short), { timeout: 15_000 }).toBe(401)
      }

      async function token(server: ServerProcess, lastsSeconds: number): Promise<string> {
        const response = await fetch(`${server.url}/-/tokens`, {
          method: 'POST',
          headers: {
            Authorization: `Bearer ${loginFor(key, server.url, 'POST', '/-/tokens')}`,
            'Content-Type': 'application/json',
          },
          body: JSON.stringify({ name: 'clocks', grants: ['python:read:*'], seconds: lastsSeconds }),
        })
        expect(response.status).toBe(201)
        return ((await response.json()) as { token: string }).token
      }

      for (const server of servers) {
        const login = forge(key, server.url)
        for (const { at, bytes } of [first, second]) {
          const response = await fetch(server.url + at, { headers: { Authorization: `Bearer ${login}` } })
          expect(bytes.equals(await response.bytes())).toBe(true)
        }
        await server.stop()
        expect(server.logs()).not.toContain('"level":50')
      }
      const { status } = await runDepot(['fsck', '--full', '--store-path', dataDir, `--database-url=${database.url}`])
      expect(status).toBe(0)
    },
  )
})

async function statusOf(
  server: ServerProcess,
  at: string,
  credential: string,
  init: RequestInit = {},
): Promise<number> {
  const response = await fetch(server.url + at, { ...init, headers: { Authorization: `Bearer ${credential}` } })
  await response.arrayBuffer()
  return response.status
}
