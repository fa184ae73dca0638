import type { PackageJson } from './npm-fixtures.ts'

const NAMES = ['alpha', 'beta', 'gamma', 'delta', '@s/eta', '@s/iota', 'kappa', 'mu']
const VERSIONS = ['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0', '3.0.0-rc.1']
const RANGES = ['*', '^1.0.0', '^1.1.0', '~1.1.0', '>=1.1.0', '1.x || 2.x', '^2.0.0', '2.0.0', 'latest', '<2', '>=2']

/** Packages that depend on one another in every way that npm knows, in cycles too. Every range is of versions that are there. */
export function randomPackages(random: () => number): readonly PackageJson[] {
  return NAMES.flatMap((name) =>
    VERSIONS.map((version) => ({
      name,
      version,
      ...some(random, 0.5, 'dependencies', () => edges(random, name, 3)),
      ...some(random, 0.3, 'optionalDependencies', () => edges(random, name, 2)),
      ...some(random, 0.15, 'peerDependencies', () => peers(random, name)),
      ...some(random, 0.1, 'peerDependenciesMeta', () => ({ mu: { optional: true } })),
      ...some(random, 0.05, 'os', () => ['aix']),
    })),
  )
}

/** A project that depends on some of them, with overrides now and then. */
export function randomProject(random: () => number, packages: readonly PackageJson[]): Record<string, unknown> {
  const installable = packages.filter((own) => !('os' in own)).map(({ name }) => name)
  const name = pick(random, installable)
  return {
    name: 'project',
    version: '1.0.0',
    dependencies: { [name]: pick(random, RANGES), aliased: `npm:${pick(random, installable)}@^1.0.0` },
    ...some(random, 0.4, 'devDependencies', () => edges(random, name, 2)),
    ...some(random, 0.4, 'overrides', () => {
      const [inner, outer] = [pick(random, NAMES), pick(random, NAMES)]
      return random() < 0.5 || inner === name ? { [outer]: { [`${inner}@^1`]: '1.2.0' } } : { [inner]: '1.1.0' }
    }),
  }
}

function edges(random: () => number, own: string, most: number): Record<string, string> {
  const count = 1 + Math.floor(random() * most)
  const names = Array.from({ length: count }, () => pick(random, NAMES)).filter((name) => name !== own)
  return Object.fromEntries(
    names
      .map((name) => [random() < 0.1 ? `other-${name.replace('@s/', '')}` : name, name] as const)
      .map(([key, name]) => {
        const range = pick(random, RANGES)
        return [key, key === name ? range : `npm:${name}@${range}`]
      }),
  )
}

function peers(random: () => number, own: string): Record<string, string> {
  const name = pick(random, NAMES)
  return name === own ? { mu: '*' } : { [name]: '*', mu: '>=1' }
}

function some(random: () => number, chance: number, kind: string, make: () => object): object {
  return random() < chance ? { [kind]: make() } : {}
}

function pick<T>(random: () => number, from: readonly T[]): T {
  const found = from[Math.floor(random() * from.length)]
  if (found === undefined) throw new Error('there is nothing to choose from')
  return found
}
