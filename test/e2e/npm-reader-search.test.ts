import { expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { npmClient, publishFrom } from '../helpers/npm-client.ts'
import { startWorld, type World } from '../helpers/world.ts'

interface Found {
  readonly name: string
  readonly version: string
  readonly date?: string
}

const PACKAGES = [
  { name: 'round-button', version: '1.2.0', description: 'a round thing', keywords: ['ui', 'round'], license: 'MIT' },
  { name: '@acme/button', version: '2.0.0', description: 'a square thing', keywords: ['ui'] },
  { name: 'other', version: '0.1.0', description: 'not that' },
]

async function filled(): Promise<World> {
  const world = await startWorld()
  await using npm = await npmClient('npm', `${world.url}/npm/`)
  for (const own of PACKAGES) await publishFrom(npm, own)
  return world
}

for (const client of ['npm', 'npm12'] as const) {
  describeWith(['npm', client], `e2e/search with ${client}`, () => {
    it.each(['/npm/', '/'])('finds packages by their words and qualifiers at %s', async (mount) => {
      await using world = await filled()
      await using npm = await npmClient(client, world.url + mount)
      const folder = await npm.folder('searcher', { name: 'searcher', version: '0.0.0' })
      const search = async (...words: readonly string[]) =>
        JSON.parse(await npm.run(folder, 'search', '--json', '--searchlimit=100', ...words)) as readonly Found[]
      const names = async (...words: readonly string[]) => (await search(...words)).map(({ name }) => name)
      expect(await names('button')).toEqual(['@acme/button', 'round-button'])
      expect(await names('button', 'round')).toEqual(['round-button'])
      // The one that says more of itself comes first.
      expect(await names('keywords:ui')).toEqual(['round-button', '@acme/button'])
      expect(await names('scope:acme')).toEqual(['@acme/button'])
      expect(await names('nothing-of-the-kind')).toEqual([])
      const [found] = await search('round-button')
      expect(found?.version).toBe('1.2.0')
      expect(Date.now() - Date.parse(found?.date ?? '')).toBeLessThan(120_000)
      expect(await npm.run(folder, 'search', 'round-button')).toMatch(/a round thing[\s\S]*1\.2\.0/)
      expect(world.bugs).toEqual([])
    })
  })
}

for (const client of ['pnpm', 'pnpmOld'] as const) {
  describeWith(['npm', client], `e2e/search with ${client}`, () => {
    it('finds packages by their words', async () => {
      await using world = await filled()
      await using pnpm = await npmClient(client, `${world.url}/npm/`)
      const folder = await pnpm.folder('searcher', { name: 'searcher', version: '0.0.0' })
      expect(await pnpm.run(folder, 'search', 'round')).toMatch(/round-button/)
      expect(world.bugs).toEqual([])
    })
  })
}
