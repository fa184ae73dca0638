import npa from 'npm-package-arg'
import semver from 'semver'

import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { Edge } from './edges.ts'
import { isMembers, textsIn, type Members } from './upstream-packument.ts'

/** A rule of `overrides` in a project's package.json, and those that hold below it. npm's semantics (arborist's override-set). */
export interface OverrideRule {
  /** Tells rules apart. */
  readonly id: number
  /** The package that it is about; empty for what holds from the project on. */
  readonly name: string
  /** The range of those specs that it replaces. */
  readonly keySpec: string
  /** What they are replaced by; `*` for nothing. */
  readonly value: string
  readonly parent: OverrideRule | undefined
  readonly children: readonly OverrideRule[]
}

/**
 * The `overrides` of a package.json, with `$name` replaced by what the project itself asks for; undefined when it has none.
 *
 * @throws DepotError `BAD_REQUEST` for those that npm would not take either
 */
export function parseOverrides(packageJson: Members): OverrideRule | undefined {
  const overrides = packageJson['overrides']
  if (!isMembers(overrides) || Object.keys(overrides).length === 0) return undefined
  let id = 0
  const build = (key: string, value: unknown, parent: OverrideRule | undefined, depth: number): OverrideRule => {
    if (depth > LIMITS.npmOverridesDepthMax) throw bad(key, 'is too deep')
    const members = typeof value === 'string' ? { '.': value } : value
    if (!isMembers(members)) throw bad(key, 'is neither a version nor an object')
    const { name, keySpec } = parent === undefined ? { name: '', keySpec: '*' } : parseKey(key)
    const own = members['.'] === undefined ? keySpec : members['.']
    if (typeof own !== 'string') throw bad(key, 'has a "." that is no text')
    const children: OverrideRule[] = []
    const rule = { id: id++, name, keySpec, value: referred(packageJson, own) || '*', parent, children }
    for (const [inner, below] of Object.entries(members))
      if (inner !== '.') children.push(build(inner, below, rule, depth + 1))
    return rule
  }
  return build('overrides', overrides, undefined, 0)
}

/** What an edge asks for where these rules hold, and which rules hold below it. */
export function override(
  edge: Edge,
  rules: OverrideRule | undefined,
): { spec: string; rules: OverrideRule | undefined } {
  const rule = rules && (ruleset(rules).find((one) => one.name === edge.name && covers(one, edge)) ?? rules)
  const replaced = rule !== undefined && rule.name === edge.name && rule.value !== '*'
  return { spec: replaced ? rule.value : edge.spec, rules: rule }
}

/** The rules that hold: the nearest first, each key once. */
function ruleset(from: OverrideRule): readonly OverrideRule[] {
  const rules = new Map<string, OverrideRule>()
  for (let at: OverrideRule | undefined = from; at !== undefined; at = at.parent)
    for (const rule of at.parent === undefined ? at.children : [...at.children, at]) {
      const key = `${rule.name}@${rule.keySpec}`
      if (!rules.has(key)) rules.set(key, rule)
    }
  return [...rules.values()]
}

function covers({ keySpec }: OverrideRule, { name, spec }: Edge): boolean {
  if (keySpec === '*') return true
  const asked = resolved(name, spec)
  if (asked === undefined) return false
  if (asked.type === 'range' || asked.type === 'version') return semver.intersects(asked.fetchSpec ?? '*', keySpec)
  // Of tags and addresses nobody knows the version: npm takes the rule.
  return true
}

function resolved(name: string, spec: string): npa.Result | undefined {
  try {
    const asked = npa.resolve(name, spec)
    return asked.type === 'alias' ? (asked as npa.AliasResult).subSpec : asked
  } catch {
    return undefined
  }
}

function parseKey(key: string): { name: string; keySpec: string } {
  const at = key.indexOf('@', 1)
  const [name, keySpec] = at === -1 ? [key, '*'] : [key.slice(0, at), key.slice(at + 1) || '*']
  if (semver.validRange(keySpec) === null) throw bad(key, 'names no range')
  return { name, keySpec }
}

/** `$name` stands for what the project asks of `name`. */
function referred(packageJson: Members, value: string): string {
  if (!value.startsWith('$')) return value
  const name = value.slice(1)
  for (const kind of ['devDependencies', 'optionalDependencies', 'dependencies', 'peerDependencies']) {
    const found = textsIn(packageJson, kind).find(([one]) => one === name)
    if (found !== undefined) return found[1]
  }
  throw bad(value, 'refers to nothing that the project depends on')
}

function bad(key: string, what: string): DepotError {
  return new DepotError('BAD_REQUEST', `overrides in package.json: '${key.slice(0, 200)}' ${what}`)
}
