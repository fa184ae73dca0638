import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'

import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'

import { verifyChain } from '../../src/audit-chain.ts'
import type { AuditRow } from '../../src/kv-store.ts'
import { openSqliteKv } from '../../storage/kv/sqlite/store.ts'
import { auditEntry } from '../conformance/kv-samples.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

/** A depot's folder whose audit log has that many lines. */
async function logOf(lines: number): Promise<TempDir & { readonly file: string }> {
  const dir = await tempDir('audit')
  const file = dir.join('depot.db')
  await using kv = await openSqliteKv({ file })
  const entries = Array.from({ length: lines }, (_, index) =>
    auditEntry(`r${index + 1}`, { principal: index % 2 === 0 ? 'token:even' : 'SHA256:odd' }),
  )
  for (let start = 0; start < lines; start += 5000)
    await kv.commit({ cache: 1, audit: entries.slice(start, start + 5000) })
  return { ...dir, file }
}

function audit(dir: TempDir, command: string, ...args: string[]) {
  return runDepot(['audit', command, '--store-path', dir.path, ...args])
}

function tamper(file: string, statement: string): void {
  const database = new Database(file)
  database.exec(`DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_removed; ${statement}`)
  database.close()
}

function resourcesOf(jsonLines: string): string[] {
  return rowsOf(jsonLines).map(({ resource }) => resource)
}

function rowsOf(jsonLines: string): AuditRow[] {
  return jsonLines
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AuditRow)
}

describe('depot audit list', () => {
  it('shows the newest lines, the newest last, and says when there are earlier ones', async () => {
    await using dir = await logOf(60)
    const { status, stdout, stderr } = await audit(dir, 'list')
    const lines = stdout.split('\n').slice(0, -1)
    expect(status).toBe(0)
    expect(lines).toHaveLength(50)
    expect(lines.at(-1)).toMatch(/^60 \d{4}-\d\d-\d\dT\S+Z done SHA256:odd npm:write r60 sha256=a{64} from=::1 /)
    expect(stderr).toContain('earlier lines')
    const three = await audit(dir, 'list', '--limit', '3', '--principal', 'token:even', '--json')
    expect(resourcesOf(three.stdout)).toEqual(['r55', 'r57', 'r59'])
    expect((await audit(dir, 'list', '--limit', '60')).stderr).toBe('')
  })

  it('shows nothing from before a time', async () => {
    await using dir = await logOf(4)
    tamper(dir.file, `UPDATE audit SET at = ${Date.parse('2026-01-30T23:30:00Z')} + seq * 600000`)
    const since = async (text: string) => resourcesOf((await audit(dir, 'list', '--json', '--since', text)).stdout)
    expect(await since('2026-01-31')).toEqual(['r3', 'r4'])
    expect(await since('2026-01-31T01:05:00+01:00')).toEqual(['r4'])
    expect(await since('2026-02-01')).toEqual([])
  })

  it.each([
    ['--limit', '0'],
    ['--limit', '10001'],
    ['--limit', 'all'],
    ['--since', 'yesterday'],
    ['--since', '2026-01-31T12:00:00'],
  ])('refuses %s %s', async (flag, value) => {
    const { status, stderr } = await runDepot(['audit', 'list', flag, value])
    expect(status).toBe(2)
    expect(stderr).toContain(`${flag} takes`)
  })
})

describe('depot audit verify', () => {
  it('prints the head of a log that is whole, which the next check can be given', async () => {
    await using dir = await logOf(5)
    const { status, stdout } = await audit(dir, 'verify')
    const head = /^5 lines verified\nhead (?<head>5:[0-9a-f]{64})\n$/.exec(stdout)?.groups?.['head'] ?? ''
    expect(status).toBe(0)
    await using kv = await openSqliteKv({ file: dir.file })
    await kv.commit({ cache: 1, audit: [auditEntry('one more, while somebody checks')] })
    const again = await audit(dir, 'verify', '--expect', head)
    expect(again).toMatchObject({ status: 0, stdout: expect.stringContaining('6 lines verified') as unknown })
  })

  it.each([
    ['changed', "UPDATE audit SET principal = 'nobody' WHERE seq = 3", 3],
    ['removed', 'DELETE FROM audit WHERE seq = 3', 3],
  ])('names the line that was %s, and exits with 1', async (_what, statement, seq) => {
    await using dir = await logOf(5)
    tamper(dir.file, statement)
    const { status, stdout } = await audit(dir, 'verify')
    expect(status).toBe(1)
    expect(stdout).toMatch(new RegExp(`^2 lines verified\nbroken at line ${seq}: `))
  })

  it('misses the end that was cut off only where a head was noted', async () => {
    await using dir = await logOf(5)
    const head = /head (\S+)/.exec((await audit(dir, 'verify')).stdout)?.[1] ?? ''
    tamper(dir.file, 'DELETE FROM audit WHERE seq > 3')
    expect((await audit(dir, 'verify')).status).toBe(0)
    const noted = await audit(dir, 'verify', '--expect', head)
    expect(noted).toMatchObject({ status: 1, stdout: expect.stringContaining('broken at line 5') as unknown })
    await using kv = await openSqliteKv({ file: dir.file })
    await kv.commit({ cache: 1, audit: [auditEntry('x'), auditEntry('y')] })
    expect((await audit(dir, 'verify')).status).toBe(0)
    expect((await audit(dir, 'verify', '--expect', head)).stdout).toContain('broken at line 5: it is another line')
  })

  it('refuses a head that is none, and a depot that is not there', async () => {
    expect((await runDepot(['audit', 'verify', '--expect', '5:abc'])).status).toBe(2)
    await using dir = await tempDir()
    const { status, stderr } = await runDepot(['audit', 'verify', '--store-path', dir.join('mistyped')])
    expect(status).toBe(1)
    expect(stderr).toContain('there is no database')
  })
})

describe('depot audit export', () => {
  it('prints every line whole, so that anybody can check the chain', async () => {
    await using dir = await logOf(2500)
    const { status, stdout } = await audit(dir, 'export')
    expect(status).toBe(0)
    const rows = rowsOf(stdout)
    expect(rows).toHaveLength(2500)
    expect(await verifyChain(rows)).toMatchObject({ verified: 2500 })
  })

  it('ends quietly when nobody reads on', async () => {
    await using dir = await logOf(20_000)
    const launcher = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')
    const args = [launcher, 'audit', 'export', '--store-path', dir.path]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const closed = once(child, 'close')
    let stderr = ''
    child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    await closed
    expect({ status: child.exitCode, stderr }).toEqual({ status: 0, stderr: '' })
  })
})
