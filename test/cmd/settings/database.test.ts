import { chmod, writeFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { databaseConfig } from '../../../cmd/settings/database.ts'
import { findPassword, passwordIn } from '../../../cmd/settings/database-password.ts'
import { LIMITS } from '../../../src/limits.ts'
import { parsePostgresUrl } from '../../../storage/kv/postgres/url.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const place = { home: '/nowhere', storePath: '/srv/depot' }
const config = (settings: Readonly<Record<string, string>>, env = {}) =>
  databaseConfig(new Map(Object.entries(settings).map(([name, value]) => [name, [value]])), env, place)

describe('the settings of the database', () => {
  it('are a file in the store path and the bounds of the depot when nothing is said', () => {
    expect(config({})).toEqual({
      databaseUrl: 'sqlite:///srv/depot/depot.db',
      databasePool: LIMITS.databaseConnections,
      databaseTimeoutMs: LIMITS.databaseStatementTimeoutMs,
    })
  })

  it('are taken as they are given', () => {
    const given = config({ 'database-url': 'postgres://h/d', 'database-pool': '25', 'database-timeout': '2.5' })
    expect(given).toEqual({ databaseUrl: 'postgres://h/d', databasePool: 25, databaseTimeoutMs: 2500 })
  })

  it.each([
    ['database-pool', '0'],
    ['database-pool', 'many'],
    ['database-pool', '1001'],
    ['database-timeout', '0'],
    ['database-timeout', '-1'],
    ['database-timeout', '10000'],
    ['database-url', 'postgres://me:hunter2@host/d?sslmode=maybe'],
  ])('%s is not %s', (name, value) => {
    expect(() => config({ [name]: value })).toThrow(`--${name}`)
    expect(() => config({ [name]: value })).not.toThrow('hunter2')
  })

  it('have the password of the URL before PGPASSWORD, and that before none', () => {
    const passwordOf = (url: string, env = {}) =>
      parsePostgresUrl(config({ 'database-url': url }, env).databaseUrl).password
    expect(passwordOf('postgres://me:own@h/d', { PGPASSWORD: 'other' })).toBe('own')
    expect(passwordOf('postgres://me@h/d?sslmode=disable', { PGPASSWORD: 'p@:/?&# ß' })).toBe('p@:/?&# ß')
    expect(passwordOf('postgres://me@h/d', { PGPASSWORD: '' })).toBeUndefined()
    expect(config({ 'database-url': 'sqlite:///a' }, { PGPASSWORD: 'x' }).databaseUrl).toBe('sqlite:///a')
  })
})

describe("PostgreSQL's password file", () => {
  const address = { host: 'db.example.org', port: 5432, database: 'depot', user: 'me' }

  it.each([
    ['db.example.org:5432:depot:me:secret', 'secret'],
    ['*:*:*:*:any', 'any'],
    ['# *:*:*:*:comment\n\nother:*:*:*:no\n*:5432:*:me:yes\n*:*:*:*:late', 'yes'],
    ['*:*:*:me:with\\:colon and \\\\', 'with:colon and \\'],
    ['*:*:*:me:first:second', 'first'],
    ['db.example.org:5432:depot:somebody:secret', undefined],
    ['db.example.org:5433:depot:me:secret', undefined],
    ['db.example.org:5432:depot:me', undefined],
    ['nonsense', undefined],
    ['', undefined],
  ])('%j gives %j', (text, password) => {
    expect(passwordIn(text, address)).toBe(password)
  })

  it('calls the sockets of PostgreSQL localhost', () => {
    expect(passwordIn('localhost:*:*:*:secret', { ...address, host: '/run/postgresql' })).toBe('secret')
    expect(passwordIn('localhost:*:*:*:secret', { ...address, host: '/srv/sockets' })).toBeUndefined()
  })

  it('is read where libpq reads it, and only when it is private', async () => {
    await using dir = await tempDir('pgpass')
    const file = dir.join('.pgpass')
    await writeFile(file, '*:*:*:*:secret\n', { mode: 0o600 })
    expect(findPassword(address, {}, dir.path)).toBe('secret')
    expect(findPassword(address, { PGPASSFILE: file }, '/nowhere')).toBe('secret')
    expect(findPassword(address, { PGPASSFILE: dir.join('none') }, dir.path)).toBeUndefined()
    await chmod(file, 0o644)
    expect(findPassword(address, {}, dir.path)).toBeUndefined()
  })
})
