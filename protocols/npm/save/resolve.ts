import npa from 'npm-package-arg'

import { concernsOne } from '../../../src/client/fail-saved.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { messageOf } from '../../../src/thrown.ts'
import { parsePackageName } from '../package-name.ts'
import { edgesOf, type Edge } from './edges.ts'
import { override, type OverrideRule } from './overrides.ts'
import type { PackageFacts } from './package-facts.ts'
import { runsOn, type Platform } from './platforms.ts'
import type { Members } from './upstream-packument.ts'

/** What somebody asks for, and by which rules it and all below it are found. */
export interface Root {
  /** Shown when something is not found: `package.json`, the command line. */
  readonly from: string
  readonly edges: readonly Edge[]
  readonly overrides?: OverrideRule | undefined
  /** Names that the project brings along itself: its workspaces. */
  readonly own?: ReadonlySet<string>
}

/** Something that comes from no registry. */
export interface OtherSource {
  readonly item: string
  readonly spec: npa.Result
  /** An install goes on without it. */
  readonly optional: boolean
  /** A project asked for it, rather than a package. */
  readonly byProject: boolean
}

/** Something that could not be found. */
export interface Problem {
  readonly item: string
  readonly reason: string
  /** An install goes on without it. */
  readonly optional: boolean
}

/** All versions that an install may need, whatever it picks first. */
export interface Resolved {
  readonly packages: ReadonlyMap<string, ReadonlySet<string>>
  readonly others: readonly OtherSource[]
  readonly problems: readonly Problem[]
}

export interface ResolveOptions {
  /** What the registry says of a package; asked often. @throws DepotError */
  facts(name: string): Promise<PackageFacts>
  /** The package.json of what a project takes from no registry; undefined when it cannot be had. */
  source(spec: npa.Result): Promise<Members | undefined>
  /** Optional dependencies that run on none of these are left out. Empty: nothing is. */
  readonly platforms: readonly Platform[]
}

/**
 * Find what npm would install, for each spec on its own: the tree that npm builds, which shares versions where it can, picks from
 * among these. Failures hold nothing else up.
 *
 * @throws DepotError what `facts` throws of all that is to come, `STORAGE_DOWN` for a tree without end
 */
export async function resolve(roots: readonly Root[], options: ResolveOptions): Promise<Resolved> {
  const walk = startWalk(options)
  await Promise.all(
    roots.map(async ({ from, edges, overrides, own = new Set() }) => {
      const wanted = edges.filter(({ name }) => !own.has(name))
      await walk.follow(wanted, { from, rules: overrides, optional: false, byProject: true })
    }),
  )
  const { packages, others, problems } = walk
  return { packages, others: [...others.values()], problems: [...problems.values()] }
}

/** The place in the tree from which an edge goes out. */
interface Place {
  readonly from: string
  readonly rules: OverrideRule | undefined
  /** Something above it is optional. */
  readonly optional: boolean
  readonly byProject: boolean
}

interface Walk {
  readonly packages: Map<string, Set<string>>
  readonly others: Map<string, OtherSource>
  readonly problems: Map<string, Problem>
  follow(edges: readonly Edge[], place: Place): Promise<void>
}

function startWalk({ facts, source, platforms }: ResolveOptions): Walk {
  const packages = new Map<string, Set<string>>()
  const others = new Map<string, OtherSource>()
  const problems = new Map<string, Problem>()
  /** Versions with the rules that hold there; what was only optional is followed again when it turns out that it is not. */
  const seen = new Set<string>()

  let followed = 0

  async function follow(edges: readonly Edge[], place: Place): Promise<void> {
    followed += edges.length
    if (followed > LIMITS.npmEdgesMax) throw endless()
    await Promise.all(edges.map((edge) => followOne(edge, place)))
  }

  async function followOne(edge: Edge, place: Place): Promise<void> {
    const optional = place.optional || edge.optional
    let item = itemOf(edge, edge.spec)
    try {
      requireShort(edge)
      const { spec, rules } = override(edge, place.rules)
      item = itemOf(edge, spec)
      const asked = askedFor(edge.name, spec)
      if (asked.registry) await visit(asked, edge, { ...place, rules, optional })
      else await meet({ item, spec: asked, optional, byProject: place.byProject }, rules)
    } catch (error) {
      if (!concernsOne(error)) throw error
      keep(problems, item, { item, optional, reason: `${error.message} (${place.from} asks for it)` })
      if (problems.size > LIMITS.npmResolvedMax) throw endless()
    }
  }

  async function visit({ name, fetchSpec }: npa.Result, edge: Edge, { rules, optional }: Place): Promise<void> {
    if (name === null || parsePackageName(name) === undefined)
      throw new DepotError('INVALID_NAME', `'${name ?? ''}' is no package name`)
    const known = await facts(name)
    const version = known.pick(fetchSpec ?? '*')
    const own = known.factsOf(version)
    if (edge.optional && !runsOn(own, platforms)) return
    const key = `${name}@${version} ${rules?.id ?? ''}`
    if (seen.has(key) || (optional && seen.has(`${key} optional`))) return
    seen.add(optional ? `${key} optional` : key)
    if (seen.size > LIMITS.npmResolvedMax) throw endless()
    packages.set(name, (packages.get(name) ?? new Set()).add(version))
    await follow(edgesOf(own), { from: `${name}@${version}`, rules, optional, byProject: false })
  }

  async function meet(other: OtherSource, rules: OverrideRule | undefined): Promise<void> {
    const { item, spec, optional, byProject } = other
    keep(others, item, other)
    // A package could make us ask any address.
    const own = byProject ? await source(spec) : undefined
    const key = `${item} ${rules?.id ?? ''} ${optional}`
    if (own === undefined || seen.has(key)) return
    seen.add(key)
    await follow(edgesOf(own), { from: item, rules, optional, byProject: false })
  }

  return { packages, others, problems, follow }
}

/** Not one of our failures of one thing: everything is given up. */
function endless(): DepotError {
  return new DepotError(
    'STORAGE_DOWN',
    `the registry leads from package to package without end: save a lock file instead`,
  )
}

function itemOf({ name }: Edge, spec: string): string {
  return (name === '' ? spec : `${name}@${spec}`).slice(0, LIMITS.npmSpecLengthMax)
}

/** npm's own parser of specs and ranges looks at each of their parts again and again. @throws DepotError `BAD_REQUEST` */
function requireShort({ name, spec }: Edge): void {
  if (name.length + spec.length <= LIMITS.npmSpecLengthMax) return
  throw new DepotError('BAD_REQUEST', `it has more than ${LIMITS.npmSpecLengthMax} characters`)
}

/** What a spec means to npm; of an alias, what it stands for. @throws DepotError `BAD_REQUEST` */
function askedFor(name: string, spec: string): npa.Result {
  try {
    const asked = npa.resolve(name, spec)
    return asked.type === 'alias' ? (asked as npa.AliasResult).subSpec : asked
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', `npm does not understand '${name}@${spec}': ${messageOf(cause)}`, { cause })
  }
}

/** Once; what is needed somewhere is not optional. */
function keep<T extends { readonly optional: boolean }>(all: Map<string, T>, key: string, found: T): void {
  const before = all.get(key)
  if (before === undefined || (before.optional && !found.optional)) all.set(key, found)
}
