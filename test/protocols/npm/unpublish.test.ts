import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { npmProtocol } from '../../../protocols/npm/index.ts'
import { startAccountWorld, type AccountWorld } from '../../helpers/account-world.ts'
import { describeWith } from '../../helpers/have.ts'
import { publishOf, tarballOf, withProvenance } from '../../helpers/npm-fixtures.ts'
import { json } from '../../helpers/npm-world.ts'
import { createDatabase, type TestDatabase } from '../../helpers/postgres-database.ts'

interface Packument extends Record<string, unknown> {
  readonly _rev: string
  readonly versions: Record<string, Record<string, unknown>>
}

function describeUnpublishing(driver: string, open: () => Promise<TestDatabase | undefined>): void {
  describe(`what is deleted, in ${driver}`, () => {
    let database: TestDatabase | undefined
    let world: AccountWorld
    let writer: string
    let admin: string
    beforeAll(async () => {
      database = await open()
      const databaseUrl = database === undefined ? {} : { databaseUrl: database.url }
      world = await startAccountWorld({ reads: 'open', protocols: [npmProtocol()], ...databaseUrl })
      writer = (await world.token('npm:write:*')).token
      admin = (await world.token('npm:*:*')).token
    })
    afterAll(async () => {
      await world[Symbol.asyncDispose]()
      await database?.[Symbol.asyncDispose]()
    })

    async function publish(name: string, version: string, more: object = {}): Promise<Response> {
      const own = { name, version }
      const tarball = await tarballOf(own, [{ name: 'package/x.js', content: JSON.stringify(more) }])
      return world.ask('PUT', `/npm/${name}`, writer, publishOf(own, tarball))
    }

    async function packument(name: string): Promise<Packument> {
      return (await json(await world.fetch(`/npm/${name}?write=true`))) as Packument
    }

    async function statuses(...paths: readonly string[]): Promise<readonly number[]> {
      return Promise.all(paths.map(async (path) => (await world.fetch(path)).status))
    }

    /** The audit lines of a package. */
    async function audit(name: string): Promise<readonly string[]> {
      const lines = await world.depot.kv.audit(0, 10_000)
      return lines
        .filter(({ resource }) => resource === name || resource.startsWith(`${name}@`))
        .map(({ action, resource, digest }) => `${action} ${resource} ${digest === '' ? '' : 'digest'}`.trim())
    }

    it('is gone at once from everything that could be read, also in every coding that was stored', async () => {
      for (const version of ['1.0.0', '2.0.0']) await publish('demo', version)
      const codings = ['identity', 'gzip', 'zstd']
      const read = async (accept: string, coding: string) => {
        const headers = { accept, 'accept-encoding': coding }
        return Object.keys((await json(await world.fetch('/npm/demo', { headers })))['versions'] as object)
      }
      const forms = ['application/json', 'application/vnd.npm.install-v1+json']
      for (const coding of codings) for (const form of forms) await read(form, coding)
      const answer = await world.ask('DELETE', '/npm/demo/2.0.0', admin)
      expect([answer.status, await answer.text()]).toEqual([204, ''])
      for (const coding of codings) for (const form of forms) expect(await read(form, coding)).toEqual(['1.0.0'])
      const paths = ['/npm/demo/2.0.0', '/npm/demo/-/demo-2.0.0.tgz', '/npm/demo/-/@x/demo-2.0.0.tgz', '/demo/2.0.0']
      expect(await statuses(...paths)).toEqual([404, 404, 404, 404])
      expect(await statuses('/npm/demo/1.0.0', '/npm/demo/-/demo-1.0.0.tgz', '/npm/demo/latest')).toEqual([
        200, 200, 200,
      ])
      const references = await world.depot.kv.references(undefined, 1000)
      expect(references.filter(({ key }) => key === 'demo@2.0.0')).toEqual([])
      expect((await world.ask('DELETE', '/npm/demo/2.0.0', admin)).status).toBe(404)
      expect(await audit('demo')).toEqual([
        'npm:write demo@1.0.0 digest',
        'npm:write demo@2.0.0 digest',
        'npm:delete demo@2.0.0 digest',
      ])
    })

    it('keeps its name taken, for the same bytes and others, on every way in', async () => {
      const own = { name: 'once', version: '1.0.0' }
      const tarball = await tarballOf(own)
      const body = publishOf(own, tarball)
      await world.ask('PUT', '/npm/once', writer, body)
      await world.ask('DELETE', '/npm/once/1.0.0', admin)
      const asJson = { 'content-type': 'application/json', authorization: `Bearer ${writer}` }
      const manifest = JSON.stringify({ ...own, dist: {} })
      const answers = [
        await world.ask('PUT', '/npm/once', writer, body),
        await publish('once', '1.0.0', { other: true }),
        await world.fetch('/npm/once/-/once-1.0.0.tgz', {
          method: 'PUT',
          headers: asJson,
          body: Uint8Array.from(tarball),
        }),
        await world.fetch('/npm/once/1.0.0', { method: 'PUT', headers: asJson, body: manifest }),
      ]
      for (const answer of answers)
        expect([answer.status, await json(answer)]).toEqual([
          409,
          {
            error: expect.stringMatching(
              /was deleted on .*choose a new version.*depot npm forget once@1\.0\.0/,
            ) as unknown,
          },
        ])
      expect(await statuses('/npm/once')).toEqual([404])
    })

    it('can be forgotten by an administrator alone, and is published again then', async () => {
      await publish('again', '1.0.0')
      const forget = (key: string, token = admin) => world.ask('DELETE', `/npm/-/tombstones/${key}`, token)
      expect((await forget('again@1.0.0')).status).toBe(409)
      expect((await forget('again@2.0.0')).status).toBe(404)
      await world.ask('DELETE', '/npm/again/1.0.0', admin)
      const { token: deleter } = await world.token('npm:delete:*,npm:write:*')
      for (const token of [writer, deleter]) expect((await forget('again@1.0.0', token)).status).toBe(403)
      expect((await publish('again', '1.0.0')).status).toBe(409)
      const answer = await forget('again@1.0.0')
      expect([answer.status, answer.headers.get('cache-control'), await json(answer)]).toEqual([
        200,
        'no-store',
        { forgotten: 'again@1.0.0', deleted: expect.any(String) as unknown, digest: expect.any(String) as unknown },
      ])
      expect((await publish('again', '1.0.0', { other: true })).status).toBe(201)
      expect(await audit('again')).toEqual([
        'npm:write again@1.0.0 digest',
        'npm:delete again@1.0.0 digest',
        'npm:admin again@1.0.0 digest',
        'npm:write again@1.0.0 digest',
      ])
      for (const key of ['again', 'again@x', '@1.0.0', 'again@1.0.0@1.0.0', '..%2f@1.0.0'])
        expect([key, (await forget(key)).status >= 400]).toEqual([key, true])
    })

    it('is forgotten under a scope, however that is spelt', async () => {
      for (const key of ['@acme/scoped@1.0.0', '@acme%2fscoped@1.0.0', '%40acme%2Fscoped%401.0.0']) {
        expect((await publish('@acme/scoped', '1.0.0')).status).toBe(201)
        expect((await world.ask('DELETE', '/npm/@acme%2fscoped/1.0.0', admin)).status).toBe(204)
        expect([key, (await world.ask('DELETE', `/npm/-/tombstones/${key}`, admin)).status]).toEqual([key, 200])
      }
    })

    it('goes only with the revision that its deleter saw', async () => {
      for (const version of ['1.0.0', '2.0.0']) await publish('revised', version)
      const { _rev: old, ...before } = await packument('revised')
      await publish('revised', '3.0.0')
      const { '1.0.0': _gone, ...versions } = before.versions
      for (const [method, path, body] of [
        ['PUT', `-rev/${old}`, { ...before, versions }],
        ['DELETE', `-rev/${old}`, undefined],
        ['DELETE', `-/revised-1.0.0.tgz/-rev/${old}`, undefined],
        ['PUT', '', { ...before, _rev: old }],
      ] as const) {
        const answer = await world.ask(method, `/npm/revised/${path}`.replace(/\/$/, ''), admin, body)
        expect([path, answer.status, await json(answer)]).toEqual([
          path,
          409,
          { error: 'somebody changed this package after you read it: try again' },
        ])
      }
      expect(Object.keys((await packument('revised')).versions)).toEqual(['1.0.0', '2.0.0', '3.0.0'])
      const { _rev } = await packument('revised')
      expect((await world.ask('DELETE', `/npm/revised/-/revised-1.0.0.tgz/-rev/${_rev}`, admin)).status).toBe(200)
      expect(Object.keys((await packument('revised')).versions)).toEqual(['2.0.0', '3.0.0'])
      // What npm sends when the packument has lost the version already.
      expect((await world.ask('DELETE', `/npm/revised/-/revised-1.0.0.tgz/-rev/${_rev}`, admin)).status).toBe(200)
      expect((await world.ask('DELETE', `/npm/revised/-/revised-9.0.0.tgz/-rev/${_rev}`, admin)).status).toBe(404)
    })

    it('stays when who puts back a packument without it may write and not delete', async () => {
      for (const version of ['1.0.0', '2.0.0']) await publish('kept', version)
      const { versions, ...document } = await packument('kept')
      const { '1.0.0': _gone, ...left } = versions
      const putBack = (token: string) =>
        world.ask('PUT', `/npm/kept/-rev/${document._rev}`, token, { ...document, versions: left })
      expect((await putBack(writer)).status).toBe(403)
      expect(Object.keys((await packument('kept')).versions)).toEqual(['1.0.0', '2.0.0'])
      expect((await putBack(admin)).status).toBe(201)
      expect(Object.keys((await packument('kept')).versions)).toEqual(['2.0.0'])
    })

    it('takes its provenance along, so that no other bytes of its name have it', async () => {
      const own = { name: 'proven', version: '1.0.0' }
      const attestations = '/npm/-/npm/v1/attestations/proven@1.0.0'
      await world.ask('PUT', '/npm/proven', writer, withProvenance(own, await tarballOf(own)))
      expect(await statuses(attestations)).toEqual([200])
      await world.ask('DELETE', '/npm/proven/1.0.0', admin)
      expect(await statuses(attestations)).toEqual([404])
      await world.ask('DELETE', '/npm/-/tombstones/proven@1.0.0', admin)
      expect((await publish('proven', '1.0.0', { other: true })).status).toBe(201)
      expect(await statuses(attestations)).toEqual([404])
    })

    it('is one version for one of two who delete it at once, and nothing is lost beside a publish', async () => {
      for (let patch = 0; patch < 8; patch++) await publish('busy', `1.0.${patch}`)
      const work = Array.from({ length: 8 }, (_, patch) => [
        world.ask('DELETE', `/npm/busy/1.0.${patch}`, admin),
        publish('busy', `2.0.${patch}`),
      ]).flat()
      const answers = await Promise.all(work)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 204]))
      const { versions, 'dist-tags': tags } = await packument('busy')
      const left = Array.from({ length: 8 }, (_, patch) => `2.0.${patch}`)
      expect(Object.keys(versions).toSorted()).toEqual(left)
      expect(left).toContain((tags as { latest: string }).latest)
    })

    it('may be a whole package of more versions than one commit deletes', async () => {
      const versions = Array.from({ length: 300 }, (_, patch) => `1.0.${patch}`)
      await Promise.all(versions.map((version) => publish('many', version)))
      const { _rev } = await packument('many')
      expect((await world.ask('DELETE', `/npm/many/-rev/${_rev}`, admin)).status).toBe(200)
      expect(await statuses('/npm/many', '/npm/many/1.0.0', '/npm/many/1.0.299')).toEqual([404, 404, 404])
      expect((await audit('many')).filter((line) => line.startsWith('npm:delete'))).toHaveLength(300)
    }, 60_000)
  })
}

describeUnpublishing('SQLite', async () => undefined)
describeWith('postgres', 'unpublishing', () => describeUnpublishing('PostgreSQL', () => createDatabase()))
