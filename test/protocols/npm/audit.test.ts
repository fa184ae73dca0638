import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { createAdvisoryReader } from '../../../protocols/npm/advisories.ts'
import { npmProtocol } from '../../../protocols/npm/index.ts'
import { LIMITS } from '../../../src/limits.ts'
import { startGuardedWorld } from '../../helpers/guarded-world.ts'
import { json } from '../../helpers/npm-world.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { startWorld, type World } from '../../helpers/world.ts'
import { writeFile } from 'node:fs/promises'

const OSV = {
  id: 'GHSA-aaaa-bbbb-cccc',
  summary: 'It breaks',
  affected: [
    {
      package: { ecosystem: 'npm', name: 'weak' },
      ranges: [{ type: 'SEMVER', events: [{ introduced: '1.0.0' }, { fixed: '1.5.0' }] }],
    },
  ],
  database_specific: { severity: 'HIGH', cwe_ids: ['CWE-79'] },
}
const ANSWER = {
  id: expect.any(Number) as unknown,
  url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
  title: 'It breaks',
  severity: 'high',
  vulnerable_versions: '>=1.0.0 <1.5.0',
  cwe: ['CWE-79'],
  cvss: { score: 0, vectorString: null },
}

function worldWith(...values: readonly object[]): Promise<World> {
  const reader = createAdvisoryReader()
  for (const value of values) reader.take({ line: 1, value })
  return startWorld({ protocols: [npmProtocol({ advisories: reader.finish() })] })
}

const BULK = '/npm/-/npm/v1/security/advisories/bulk'

function post(world: World, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return world.fetch(path, { method: 'POST', body: JSON.stringify(body), headers })
}

describe('a bulk audit', () => {
  it.each(['/npm', ''])('tells what is known of the versions that it names, below "%s"', async (mount) => {
    await using world = await worldWith(OSV)
    const ask = async (body: object) => json(await post(world, `${mount}/-/npm/v1/security/advisories/bulk`, body))
    expect(await ask({ weak: ['1.4.9'], other: ['1.0.0'] })).toEqual({ weak: [ANSWER] })
    expect(await ask({ weak: ['1.5.0', '1.2.0'] })).toEqual({ weak: [ANSWER] })
    expect(await ask({ weak: ['1.5.0-beta.1'] })).toEqual({ weak: [ANSWER] })
    expect(await ask({ weak: ['0.9.0', '1.5.0', 'no version'] })).toEqual({})
    expect(await ask({})).toEqual({})
  })

  it('takes gzip, whose content is bounded', async () => {
    await using world = await worldWith(OSV)
    const headers = { 'content-encoding': 'gzip' }
    const send = (text: string) => world.fetch(BULK, { method: 'POST', headers, body: Uint8Array.from(gzipSync(text)) })
    expect(await json(await send('{"weak":["1.0.0"]}'))).toEqual({ weak: [ANSWER] })
    expect((await send(`{"a":["${' '.repeat(64 * 1024 * 1024)}"]}`)).status).toBe(413)
  })

  it.each(['[]', '1', '{', '{"a":1}', '{"a":[1]}', '{"__proto__":["1.0.0"]}'])('refuses %s in JSON', async (body) => {
    await using world = await worldWith(OSV)
    const answer = await world.fetch(BULK, { method: 'POST', body })
    expect([answer.status, Object.keys(await json(answer))]).toEqual([400, ['error']])
  })

  it('tells a hundred thousand affected versions from those that are not', async () => {
    const versions = Array.from({ length: 100_000 }, (_, patch) => `1.0.${patch}`)
    await using world = await worldWith({
      id: 'MAL-1',
      affected: [{ package: { ecosystem: 'npm', name: 'weak' }, versions }],
    })
    const asked: readonly string[] = ['1.0.99999', '1.1.0', '1.0.100000']
    const answers: object[] = []
    for (const version of asked) answers.push(await json(await post(world, BULK, { weak: [version] })))
    expect(answers.map((answer) => Object.keys(answer))).toEqual([['weak'], [], []])
  })

  it('is clean where there are no advisories', async () => {
    await using world = await worldWith()
    expect([...(await post(world, BULK, { weak: ['1.0.0'] })).headers.keys()]).toContain('x-content-type-options')
    expect(await json(await post(world, BULK, { weak: ['1.0.0'] }))).toEqual({})
  })

  it('tells a caller only of packages that they may read', async () => {
    await using dir = await tempDir('advisories')
    const affected = ['@in/weak', '@out/weak'].map((name) => ({ package: { ecosystem: 'npm', name } }))
    await writeFile(dir.join('own.json'), JSON.stringify({ id: 'ACME-1', affected }))
    await using world = await startGuardedWorld({ reads: 'closed', settings: { 'npm-advisories': dir.path } })
    const ask = async (...grants: readonly string[]) => {
      const headers = { authorization: `Bearer ${await world.token(...grants)}` }
      const answer = await post(world, BULK, { '@in/weak': ['1.0.0'], '@out/weak': ['1.0.0'] }, headers)
      return [answer.status, Object.keys(await json(answer))]
    }
    expect(await ask('npm:read:*')).toEqual([200, ['@in/weak', '@out/weak']])
    expect(await ask('npm:read:@in/*')).toEqual([200, ['@in/weak']])
    expect(await ask('nix:read:*')).toEqual([404, ['error']])
    expect((await post(world, BULK, {})).status).toBe(401)
  })
})

describe('an audit of a tree', () => {
  const LOCK = {
    name: 'app',
    version: '1.0.0',
    requires: { top: '^1.0.0' },
    dependencies: {
      top: { version: '1.0.0', requires: { weak: '1' }, dependencies: { weak: { version: '1.1.0' } } },
      weak: { version: '1.2.0', dev: true },
      fine: { version: '1.0.0', optional: true },
    },
  }

  it.each(['audits', 'audits/quick'])('is answered at %s as npm 6 and yarn 1 read it', async (path) => {
    await using world = await worldWith(OSV)
    const report = await json(await post(world, `/npm/-/npm/v1/security/${path}`, LOCK))
    const [id] = Object.keys(report['advisories'] as object)
    expect(report).toMatchObject({
      advisories: {
        [id ?? '']: {
          module_name: 'weak',
          severity: 'high',
          title: 'It breaks',
          vulnerable_versions: '>=1.0.0 <1.5.0',
          github_advisory_id: 'GHSA-aaaa-bbbb-cccc',
          findings: expect.arrayContaining([
            { version: '1.1.0', paths: ['top>weak'] },
            { version: '1.2.0', paths: ['weak'] },
          ]) as unknown,
        },
      },
      muted: [],
      metadata: {
        vulnerabilities: { info: 0, low: 0, moderate: 0, high: 2, critical: 0 },
        dependencies: 2,
        devDependencies: 1,
        optionalDependencies: 1,
        totalDependencies: 4,
      },
    })
    expect((report['actions'] as { resolves: object[] }[])[0]?.resolves).toHaveLength(2)
  })

  it('refuses more versions of one package than any tree has, in both forms, before others wait for it', async () => {
    await using world = await worldWith(OSV)
    const versions = Array.from({ length: 1001 }, (_, patch) => `1.0.${patch}`)
    expect((await post(world, BULK, { weak: versions.slice(1) })).status).toBe(200)
    expect((await post(world, BULK, { weak: versions })).status).toBe(400)
    const dependencies = Object.fromEntries(
      versions.map((version, index) => [`top-${index}`, { version, dependencies: { weak: { version } } }]),
    )
    expect((await post(world, '/npm/-/npm/v1/security/audits', { dependencies })).status).toBe(400)
  })

  it('counts every place of a tree, and tells no more of them than an answer has room for', async () => {
    const records = [1, 2, 3, 4, 5, 6, 7].map((id) => ({ ...OSV, id: `GHSA-aaaa-bbbb-000${id}` }))
    await using world = await worldWith(...records)
    const places = Array.from({ length: 10_000 }, (_, index) => {
      const weak = { version: `1.${Math.floor(index / 100)}.1` }
      return [`x${index}`, { dependencies: { weak } }]
    })
    let tree: object = { dependencies: Object.fromEntries(places) }
    for (let depth = 0; depth < 50; depth++) tree = { dependencies: { [`${'n'.repeat(75)}${depth}`]: tree } }
    const text = await (await post(world, '/npm/-/npm/v1/security/audits/quick', tree)).text()
    const { metadata } = JSON.parse(text) as { metadata: object }
    expect(metadata).toMatchObject({ vulnerabilities: { high: 7 * 500 } })
    expect(text.length).toBeLessThan(3 * LIMITS.npmAuditPlacesLengthMax)
    expect(world.bugs).toEqual([])
  })

  it('finds nothing without advisories, in whatever stands there', async () => {
    await using world = await worldWith()
    for (const body of [LOCK, {}, { dependencies: 1 }, { dependencies: { a: 1, b: { version: 2, dependencies: [] } } }])
      expect(await json(await post(world, '/npm/-/npm/v1/security/audits', body))).toMatchObject({
        advisories: {},
        actions: [],
      })
  })
})
