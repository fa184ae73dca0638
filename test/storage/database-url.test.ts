import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { DepotError } from '../../src/errors.ts'
import { parseDatabaseUrl } from '../../storage/database-url.ts'

describe('a database URL', () => {
  it.each([
    ['sqlite:///a/b', '/a/b'],
    ['sqlite:///srv/my depot/100%.db', '/srv/my depot/100%.db'],
    ['sqlite:///a%2fb#c', '/a%2fb#c'],
  ])('%s names the file %s, as it is written', (url, file) => {
    expect(parseDatabaseUrl(url)).toEqual({ driver: 'sqlite', file })
  })

  it.each([
    'postgres://depot@db.example.org/depot',
    'postgresql://depot:p%40ss@127.0.0.1:5433/depot?sslmode=verify-full',
    'postgres://[::1]:5432/depot?sslmode=disable',
  ])('%s names a PostgreSQL database', (url) => {
    expect(parseDatabaseUrl(url)).toEqual({ driver: 'postgres', url })
  })

  it.each([
    ['', 'sqlite:// or postgres://'],
    ['/var/lib/depot.db', 'sqlite:// or postgres://'],
    ['mysql://root@db/depot', 'sqlite:// or postgres://'],
    ['SQLITE:///a', 'sqlite:// or postgres://'],
    ['sqlite:/a', 'sqlite:// or postgres://'],
    ['sqlite://relative.db', 'absolute path'],
    ['sqlite://', 'absolute path'],
    ['sqlite:///folder/', 'absolute path'],
    ['sqlite:///a?mode=ro', 'no parameters'],
    ['sqlite:///a\0b', 'NUL'],
    ['postgres://', 'names no host'],
    ['postgres:///depot', '?host=/run/postgresql'],
    ['postgres://me@/depot', '?host=/run/postgresql&user='],
    ['postgres://one,two/depot', 'several hosts'],
    ['postgres://host/depot?port=0', 'port is'],
    ['postgres://host/depot?connect_timeout=0', 'connect_timeout is'],
    ['postgres://host/depot?host=a&host=b', 'twice'],
    ['postgres://me:100%@host/depot', '%25'],
    ['postgres://host/%00', 'NUL'],
    ['postgres://host:port/depot', 'form'],
    ['postgres://host', 'name of the database'],
    ['postgres://host/', 'name of the database'],
    ['postgres://host/depot#there', 'name of the database'],
    ['postgres://host/depot?sslmode=maybe', 'sslmode is one of'],
    ['postgres://host/depot?options=-c%20fsync=off', '"options"'],
    ['postgres://host/depot?sslmode=disable&max=9', '"max"'],
  ])('%j is refused, with the reason %j', (url, reason) => {
    expect(() => parseDatabaseUrl(url)).toThrow(reason)
    expect(() => parseDatabaseUrl(url)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
  })

  it('is never repeated in a message: it may hold a password', () => {
    const schemes = fc.constantFrom('mysql', 'postgres', 'postgresql', 'sqlite', '')
    const secret = 'hunter2hunter2'
    fc.assert(
      fc.property(schemes, fc.string(), (scheme, rest) => {
        const outcome = outcomeOf(`${scheme}://user:${secret}@${rest}`)
        return outcome === 'accepted' || (outcome instanceof DepotError && !String(outcome).includes(secret))
      }),
    )
  })
})

function outcomeOf(url: string): unknown {
  try {
    parseDatabaseUrl(url)
    return 'accepted'
  } catch (error) {
    return error
  }
}
