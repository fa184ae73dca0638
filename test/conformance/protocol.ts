import { describe, expect, it } from 'vitest'

import { createDepot } from '../../src/create-depot.ts'
import { DepotError } from '../../src/errors.ts'
import { fsck } from '../../src/fsck.ts'
import type { Protocol, Route } from '../../src/protocol.ts'
import { HOSTILE_SEGMENTS } from '../fixtures/hostile-paths.ts'
import { rawRequest } from '../helpers/raw-http.ts'
import { startWorld, type World } from '../helpers/world.ts'

export interface ProtocolUnderTest {
  readonly protocol: Protocol
  /** Whole paths that GET answers with 200 once `fill` has run: one per kind of answer. */
  readonly readable: readonly string[]
  /** A whole path below the mount, of a legal form, where nothing is. */
  readonly missing: string
  fill?(world: World): Promise<void>
}

const ACTIONS: readonly string[] = ['read', 'write', 'delete', 'admin', 'account', 'public']
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS']

/** What every ecosystem keeps, whatever its formats are. Its own test file calls this first. */
export function describeProtocol({ protocol, readable, missing, fill }: ProtocolUnderTest): void {
  const start = async (): Promise<World> => {
    const world = await startWorld({ protocols: [protocol] })
    await fill?.(world)
    return world
  }

  describe(`the ${protocol.name} protocol`, () => {
    it('says of every route who may use it and on what', async () => {
      await using world = await startWorld({ blobs: 'memory', protocols: [] })
      const routes = protocol.routes(createDepot(world.depot))
      expect(routes.length).toBeGreaterThan(0)
      const open = routes.filter((route) => !ACTIONS.includes(route.action))
      expect(open.map(nameOf)).toEqual([])
      const publicWrites = routes.filter((route) => route.action === 'public' && route.method !== 'GET')
      expect(publicWrites.map(nameOf)).toEqual([])
    })

    it.each(readable)('answers HEAD %s as GET, without the body', async (path) => {
      await using world = await start()
      const get = await rawRequest(world.url, { path })
      const head = await rawRequest(world.url, { path, method: 'HEAD' })
      expect(get.status).toBe(200)
      expect(get.headers['content-length']).toBe(String(get.body.byteLength))
      expect(head.status).toBe(200)
      expect(head.body.byteLength).toBe(0)
      expect(withoutDate(head.headers)).toEqual(withoutDate(get.headers))
    })

    it.each(readable)('refuses another method on %s and names those there are', async (path) => {
      await using world = await start()
      const answer = await rawRequest(world.url, { path, method: 'PATCH' })
      expect(answer.status).toBe(405)
      expect(answer.headers['allow']?.split(', ')).toEqual(expect.arrayContaining(['GET', 'HEAD']))
      expect(answer.headers['content-type']).toBe(errorTypeOf(protocol))
    })

    it('answers 404 where nothing is, in the form its clients read', async () => {
      await using world = await start()
      for (const path of [missing, `${protocol.mount}/no/such/route/at/all/anywhere`]) {
        const answer = await rawRequest(world.url, { path })
        expect({ path, status: answer.status }).toEqual({ path, status: 404 })
        expect(answer.headers['content-type']).toBe(errorTypeOf(protocol))
        expect(answer.body.byteLength).toBeGreaterThan(0)
        expect((await rawRequest(world.url, { path, method: 'HEAD' })).status).toBe(404)
      }
    })

    it(
      'answers every hostile path with its own page or a refusal, and keeps a whole store',
      { timeout: 240_000 },
      async () => {
        await using world = await start()
        const failures: string[] = []
        for (const path of hostilePaths(protocol, readable)) {
          for (const method of METHODS) {
            const { status } = await rawRequest(world.url, { path, method, ...(method === 'PUT' ? { body: 'x' } : {}) })
            if (status >= 500) failures.push(`${status} ${method} ${path}`)
          }
        }
        expect(failures).toEqual([])
        expect(world.bugs).toEqual([])
        const findings = await Array.fromAsync(fsck({ blobs: world.depot.blobs, kv: world.depot.kv, full: true }))
        expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
        expect((await rawRequest(world.url, { path: readable[0] ?? '' })).status).toBe(200)
      },
    )
  })
}

function nameOf(route: Route): string {
  return `${route.method} ${route.pattern}`
}

function withoutDate({ date: _date, ...headers }: Awaited<ReturnType<typeof rawRequest>>['headers']): unknown {
  return headers
}

function errorTypeOf(protocol: Protocol): string {
  const rendered = protocol.errorBody?.(new DepotError('NOT_FOUND', 'nothing'), '/')
  return rendered?.contentType ?? 'text/plain; charset=utf-8'
}

/** Each segment at the end of the mount, in the middle of a readable path and behind it. */
function hostilePaths(protocol: Protocol, readable: readonly string[]): string[] {
  return HOSTILE_SEGMENTS.flatMap((segment) => [
    `${protocol.mount}/${segment}`,
    ...readable.flatMap((path) => [`${path}/${segment}`, `${path.slice(0, path.lastIndexOf('/'))}/${segment}`]),
  ])
}
