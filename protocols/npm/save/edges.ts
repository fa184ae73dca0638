import { bundledNames } from './package-facts.ts'
import { membersIn, textsIn, type Members } from './upstream-packument.ts'

/** One thing that a package or a project depends on. */
export interface Edge {
  /** The name that it is installed under. */
  readonly name: string
  /** A range, tag, alias or address, as package.json has it. */
  readonly spec: string
  /** Whether an install goes on without it. */
  readonly optional: boolean
}

/** What npm installs with a version of a package: its dependencies, the optional ones, and its peers unless those are optional. */
export function edgesOf(facts: Members): readonly Edge[] {
  const bundled = bundledNames(facts)
  return combined(facts, ['dependencies']).filter(({ name }) => !bundled.has(name))
}

/** What npm installs for a project. */
export function projectEdges(packageJson: Members, withDev: boolean): readonly Edge[] {
  return combined(packageJson, withDev ? ['dependencies', 'devDependencies'] : ['dependencies'])
}

/** Of two that go by one name the later counts, as in npm (arborist's `_loadDeps`). */
function combined(from: Members, kinds: readonly string[]): readonly Edge[] {
  const edges = new Map<string, Edge>()
  const meta = membersIn(from, 'peerDependenciesMeta')
  for (const [name, spec] of textsIn(from, 'peerDependencies'))
    if (membersIn(meta, name)['optional'] !== true) edges.set(name, { name, spec, optional: false })
  for (const kind of kinds)
    for (const [name, spec] of textsIn(from, kind)) edges.set(name, { name, spec, optional: false })
  for (const [name, spec] of textsIn(from, 'optionalDependencies')) edges.set(name, { name, spec, optional: true })
  return [...edges.values()]
}
