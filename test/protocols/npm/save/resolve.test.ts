import { describe, expect, it } from 'vitest'

import { packageFacts } from '../../../../protocols/npm/save/package-facts.ts'
import { parsePlatform } from '../../../../protocols/npm/save/platforms.ts'
import { resolve, type Resolved } from '../../../../protocols/npm/save/resolve.ts'
import { parseProject, parseSpec, projectRoots } from '../../../../protocols/npm/save/roots.ts'
import { parseUpstreamPackument } from '../../../../protocols/npm/save/upstream-packument.ts'
import { DepotError } from '../../../../src/errors.ts'

type Manifests = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** A registry of manifests by `name@version`; `tags` by name. The highest version is `latest` unless they say. */
function registry(manifests: Manifests, tags: Readonly<Record<string, Record<string, string>>> = {}) {
  const asked: string[] = []
  return {
    asked,
    async facts(name: string) {
      asked.push(name)
      const own = Object.entries(manifests).filter(([id]) => id.startsWith(`${name}@`))
      if (own.length === 0) throw new DepotError('NOT_FOUND', `there is no ${name}`)
      const versions = own.map(([id, manifest]) => {
        const version = id.slice(name.length + 1)
        return [version, { name, version, ...manifest }] as const
      })
      const latest = versions.at(-1)?.[0]
      return packageFacts(
        name,
        JSON.stringify({ name, 'dist-tags': { latest, ...tags[name] }, versions: Object.fromEntries(versions) }),
      )
    },
  }
}

function names({ packages }: Resolved): string[] {
  return [...packages].flatMap(([name, versions]) => [...versions].map((version) => `${name}@${version}`)).sort()
}

async function saved(manifests: Manifests, specs: readonly string[], platforms: readonly string[] = []) {
  const source = registry(manifests)
  return resolve([{ from: 'here', edges: specs.map(parseSpec) }], {
    facts: source.facts,
    source: async () => undefined,
    platforms: platforms.flatMap((name) => parsePlatform(name) ?? []),
  })
}

describe('the versions that an install needs', () => {
  it('are those of dependencies, optional ones, and peers that are not optional', async () => {
    const found = await saved(
      {
        'app@1.0.0': {
          dependencies: { dep: '^1' },
          optionalDependencies: { opt: '*' },
          peerDependencies: { peer: '1', absent: '1' },
          peerDependenciesMeta: { absent: { optional: true } },
          devDependencies: { dev: '*' },
        },
        'dep@1.0.0': {},
        'opt@1.0.0': {},
        'peer@1.5.0': {},
        'dev@1.0.0': {},
      },
      ['app'],
    )
    expect(names(found)).toEqual(['app@1.0.0', 'dep@1.0.0', 'opt@1.0.0', 'peer@1.5.0'])
    expect(found.problems).toEqual([])
  })

  it('end where packages depend on each other', async () => {
    const found = await saved({ 'a@1.0.0': { dependencies: { b: '1' } }, 'b@1.0.0': { dependencies: { a: '1' } } }, [
      'a',
    ])
    expect(names(found)).toEqual(['a@1.0.0', 'b@1.0.0'])
  })

  it('do not have what a tarball brings along', async () => {
    const manifests = {
      'a@1.0.0': { dependencies: { b: '1', c: '1' }, bundleDependencies: ['b'] },
      'a@2.0.0': { dependencies: { b: '1', c: '1' }, bundleDependencies: true },
      'a@3.0.0': { dependencies: { b: '1', c: '1' }, bundledDependencies: ['c'] },
      'b@1.0.0': {},
      'c@1.0.0': {},
    }
    expect(names(await saved(manifests, ['a@1']))).toEqual(['a@1.0.0', 'c@1.0.0'])
    expect(names(await saved(manifests, ['a@2']))).toEqual(['a@2.0.0'])
    expect(names(await saved(manifests, ['a@3']))).toEqual(['a@3.0.0', 'b@1.0.0'])
  })

  it('are found through aliases, scopes and tags', async () => {
    const found = await saved(
      { '@s/p@1.0.0': { dependencies: { other: 'npm:@s/q@^2' } }, '@s/q@2.3.4': {}, '@s/q@3.0.0': {} },
      ['mine@npm:@s/p@latest'],
    )
    expect(names(found)).toEqual(['@s/p@1.0.0', '@s/q@2.3.4'])
  })

  it('are what npm picks: latest when it fits, deprecated ones last', async () => {
    const manifests = {
      'a@1.0.0': {},
      'a@1.1.0': {},
      'a@1.2.0': { deprecated: 'no' },
      'a@2.0.0': {},
      'a@3.0.0-rc.1': {},
    }
    const source = registry(manifests, { a: { latest: '1.0.0', next: '3.0.0-rc.1' } })
    const pick = async (spec: string): Promise<string> => (await source.facts('a')).pick(spec)
    expect(await pick('*')).toBe('1.0.0')
    expect(await pick('^1.0.0')).toBe('1.0.0')
    expect(await pick('^1.0.1')).toBe('1.1.0')
    expect(await pick('^1.2.0')).toBe('1.2.0')
    expect(await pick('>1')).toBe('2.0.0')
    expect(await pick('next')).toBe('3.0.0-rc.1')
  })

  it('have every platform by default, and those that are named', async () => {
    const manifests = {
      'esb@1.0.0': { optionalDependencies: { '@esb/linux': '1', '@esb/mac': '1' }, dependencies: { odd: '1' } },
      '@esb/linux@1.0.0': { os: ['linux'], cpu: ['x64'] },
      '@esb/mac@1.0.0': { os: ['darwin'], dependencies: { fsevents: '1' } },
      'fsevents@1.0.0': {},
      'odd@1.0.0': { os: ['aix'] },
    }
    expect(names(await saved(manifests, ['esb']))).toHaveLength(5)
    const found = names(await saved(manifests, ['esb'], ['linux-x64']))
    expect(found).toEqual(['@esb/linux@1.0.0', 'esb@1.0.0', 'odd@1.0.0'])
    expect(names(await saved(manifests, ['esb'], ['linux-x64', 'darwin-arm64']))).toHaveLength(5)
  })

  it('ask each spec by the overrides that hold there, also when a package is met twice', async () => {
    const source = registry({
      'a@1.0.0': { dependencies: { b: '*' } },
      'b@1.0.0': { dependencies: { c: '^1' } },
      'c@1.0.0': {},
      'c@1.1.0': {},
      'c@2.0.0': {},
    })
    const packageJson = { dependencies: { a: '1', b: '1' }, overrides: { a: { c: '2.0.0' } } }
    const roots = projectRoots(parseProject('package.json', JSON.stringify(packageJson)), [], true)
    const found = await resolve(roots, { facts: source.facts, source: async () => undefined, platforms: [] })
    expect(names(found)).toEqual(['a@1.0.0', 'b@1.0.0', 'c@1.1.0', 'c@2.0.0'])
  })

  it('that cannot be found hold nothing up, and count less where they are optional', async () => {
    const found = await saved(
      {
        'a@1.0.0': { dependencies: { gone: '1' }, optionalDependencies: { b: '9', c: '1' } },
        'b@1.0.0': {},
        'c@1.0.0': {},
      },
      ['a', 'none@^1'],
    )
    expect(names(found)).toEqual(['a@1.0.0', 'c@1.0.0'])
    expect(found.problems.map(({ item, optional }) => `${item} ${optional}`).toSorted()).toEqual([
      'b@9 true',
      'gone@1 false',
      'none@^1 false',
    ])
    expect(found.problems.find(({ item }) => item === 'gone@1')?.reason).toMatch(/a@1\.0\.0 asks for it/)
  })

  it('are needed when one of the ways to them is', async () => {
    const found = await saved(
      {
        'a@1.0.0': { optionalDependencies: { b: '1' } },
        'b@1.0.0': { dependencies: { gone: '1' } },
        'z@1.0.0': { dependencies: { b: '1' } },
      },
      ['a', 'z'],
    )
    expect(found.problems).toMatchObject([{ item: 'gone@1', optional: false }])
  })

  it('do not come from folders, files, repositories and addresses: these are told', async () => {
    const found = await saved({ 'a@1.0.0': { dependencies: { g: 'user/repo#v1', h: 'https://x.example/h.tgz' } } }, [
      'a',
      './folder',
      'github:user/repo',
    ])
    expect(found.others.map(({ item, spec }) => `${spec.type} ${item}`).toSorted()).toEqual([
      'directory ./folder',
      'git g@user/repo#v1',
      'git github:user/repo',
      'remote h@https://x.example/h.tgz',
    ])
  })

  it('do not have the workspaces of a project, but what these ask for', async () => {
    const source = registry({ 'a@1.0.0': {}, 'b@1.0.0': {} })
    const project = (json: object) => parseProject('package.json', JSON.stringify(json))
    const roots = projectRoots(
      project({ name: 'all', workspaces: ['x/*'] }),
      [
        project({ name: 'one', dependencies: { two: '*', a: '1' } }),
        project({ name: 'two', devDependencies: { b: '1' } }),
      ],
      true,
    )
    expect(names(await resolve(roots, { facts: source.facts, source: async () => undefined, platforms: [] }))).toEqual([
      'a@1.0.0',
      'b@1.0.0',
    ])
  })

  it.each(['workspace:*', 'catalog:'])('are unknown for %s, which other clients have', async (spec) => {
    const found = await saved({ 'a@1.0.0': { dependencies: { b: spec } } }, ['a'])
    expect(found.problems).toMatchObject([
      { item: `b@${spec}`, reason: expect.stringMatching(/npm does not understand/) },
    ])
  })

  it('end when a registry makes up packages without end', async () => {
    const facts = async (name: string) => ({
      name,
      pick: () => '1.0.0',
      factsOf: () => ({ dependencies: { [`p${Number(name.slice(1)) + 1}`]: '1' } }),
      packument: () => parseUpstreamPackument(name, JSON.stringify({ name })),
    })
    const found = resolve([{ from: 'here', edges: [parseSpec('p0')] }], {
      facts,
      source: async () => undefined,
      platforms: [],
    })
    await expect(found).rejects.toThrow(/leads from package to package/)
  }, 60_000)

  it.each([60_000, 1_000_001])(
    'end when a package asks for %d others, none of which is there',
    async (count) => {
      const dependencies = Object.fromEntries(Array.from({ length: count }, (_, index) => [`x${index}`, '1']))
      await expect(saved({ 'app@1.0.0': { dependencies } }, ['app'])).rejects.toThrow(/without end/)
    },
    240_000,
  )

  it('do not have what is asked for in more words than anybody reads', async () => {
    const spec = Array.from({ length: 20_000 }, (_, index) => `${index}.x`).join(' || ')
    const { problems } = await saved({ 'app@1.0.0': { dependencies: { lib: spec } }, 'lib@1.0.0': {} }, ['app'])
    expect(problems).toEqual([
      { item: expect.stringMatching(/^lib@0\.x/), reason: expect.stringContaining('more than 4096'), optional: false },
    ])
    expect(problems[0]?.item).toHaveLength(4096)
  })

  it('never have a name that leads out of the folder', async () => {
    const found = await saved({ 'a@1.0.0': { dependencies: { '../../x': '1', x: 'npm:../y@1' } } }, ['a'])
    expect(names(found)).toEqual(['a@1.0.0'])
    expect(found.problems.length + found.others.length).toBe(2)
  })
})
