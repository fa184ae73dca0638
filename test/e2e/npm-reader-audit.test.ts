import { writeFile } from 'node:fs/promises'

import { expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { npmClient, publishFrom, type NpmClient, type NpmClientName } from '../helpers/npm-client.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { startWorld, type World } from '../helpers/world.ts'

const ADVISORY = {
  id: 'GHSA-aaaa-bbbb-cccc',
  summary: 'It breaks under load',
  affected: [
    {
      package: { ecosystem: 'npm', name: 'weak' },
      ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.5.0' }] }],
    },
  ],
  database_specific: { severity: 'HIGH', cwe_ids: ['CWE-400'] },
}
const APP = { name: 'app', version: '1.0.0', dependencies: { top: '1.0.0' }, devDependencies: { fine: '1.0.0' } }
const CLEAN_APP = {
  name: 'clean',
  version: '1.0.0',
  dependencies: { fine: '1.0.0' },
  devDependencies: { weak: '1.0.0' },
}

/** A depot that knows of a weakness in one of its packages. */
async function weakWorld(dir: TempDir): Promise<World> {
  await writeFile(dir.join('osv.jsonl'), `${JSON.stringify(ADVISORY)}\n`)
  const world = await startWorld({ settings: { 'npm-advisories': dir.join('osv.jsonl') } })
  await using npm = await npmClient('npm', `${world.url}/npm/`)
  for (const own of [
    { name: 'weak', version: '1.0.0' },
    { name: 'weak', version: '1.5.0' },
    { name: 'top', version: '1.0.0', dependencies: { weak: '^1.0.0 <1.5.0' } },
    { name: 'fine', version: '1.0.0' },
  ])
    await publishFrom(npm, own)
  return world
}

/** What each of them types to audit a folder that it has installed, and to leave development out. */
const AUDITS: Partial<
  Record<NpmClientName, { readonly audit: readonly string[]; readonly production: readonly string[] }>
> = {
  npm: { audit: ['audit'], production: ['audit', '--omit=dev'] },
  npm12: { audit: ['audit'], production: ['audit', '--omit=dev'] },
  pnpm: { audit: ['audit'], production: ['audit', '--prod'] },
  pnpmOld: { audit: ['audit'], production: ['audit', '--prod'] },
  yarnBerry: {
    audit: ['npm', 'audit', '--recursive'],
    production: ['npm', 'audit', '--recursive', '--environment=production'],
  },
  bun: { audit: ['audit'], production: ['audit', '--prod'] },
}

/** yarn 4 reads no .npmrc, and installs without a token. */
function clientOf(name: NpmClientName, registry: string): Promise<NpmClient> {
  return name === 'yarnBerry' ? npmClient(name, registry, []) : npmClient(name, registry)
}

async function installed(client: NpmClient, app: { readonly name: string }): Promise<string> {
  const folder = await client.folder(app.name, app, { 'yarn.lock': '' })
  await client.run(folder, 'install')
  return folder
}

for (const [client, { audit, production }] of Object.entries(AUDITS)) {
  describeWith(['npm', client as NpmClientName], `e2e/audit with ${client}`, () => {
    it('finds the weakness below a dependency, says what it is, and fails', async () => {
      await using dir = await tempDir('advisories')
      await using world = await weakWorld(dir)
      await using user = await clientOf(client as NpmClientName, `${world.url}/npm/`)
      const failure = await user.failure(await installed(user, APP), ...audit)
      expect(failure).toMatch(/weak/)
      expect(failure).toMatch(/It breaks under load/)
      expect(failure).toMatch(/high/i)
      const clean = await installed(user, CLEAN_APP)
      await user.run(clean, ...production)
      expect(await user.failure(clean, ...audit)).toMatch(/weak/)
      expect(world.bugs).toEqual([])
    })

    it('finds nothing on a depot without advisories', async () => {
      await using world = await startWorld()
      await using user = await clientOf(client as NpmClientName, `${world.url}/npm/`)
      await using npm = await npmClient('npm', `${world.url}/npm/`)
      for (const name of ['fine', 'weak']) await publishFrom(npm, { name, version: '1.0.0' })
      await user.run(await installed(user, CLEAN_APP), ...audit)
      expect([world.bugs, world.refusals]).toEqual([[], expect.not.arrayContaining(['BAD_REQUEST'])])
    })
  })
}
