import type { Action, Grant } from '../src/access.ts'
import { LIMITS } from '../src/limits.ts'
import { covers, printGrant } from './grants.ts'

/**
 * What all layers together permit, as one list of at most `LIMITS.grantsMax`. It never says more than they permit; it says less where
 * two patterns only overlap (`@acme/*` and `*-kit`), because no single pattern says what they have in common.
 */
export function effectiveGrants(limits: readonly (readonly Grant[])[]): readonly Grant[] {
  const [first = [], ...others] = limits
  return others.reduce((held, layer) => distinct(held.flatMap((grant) => layer.flatMap(meetWith(grant)))), first)
}

function meetWith(one: Grant): (other: Grant) => readonly Grant[] {
  return (other) => {
    const ecosystem = meetWords(one.ecosystem, other.ecosystem)
    const action = meetActions(one.action, other.action)
    const pattern = meetPatterns(one.pattern, other.pattern)
    return ecosystem === undefined || action === undefined || pattern === undefined
      ? []
      : [{ ecosystem, action, pattern }]
  }
}

function meetWords<T extends string>(one: T, other: T): T | undefined {
  if (one === '*') return other
  return other === '*' || one === other ? one : undefined
}

function meetActions(one: Action | '*', other: Action | '*'): Action | '*' | undefined {
  const both = [one, other]
  return both.includes('read') && both.includes('write') ? 'read' : meetWords(one, other)
}

function meetPatterns(one: string, other: string): string | undefined {
  const [first, second] = [one, other].map((pattern): Grant => ({ ecosystem: '*', action: 'read', pattern }))
  if (first === undefined || second === undefined) return undefined
  if (covers([[first]], second)) return other
  return covers([[second]], first) ? one : undefined
}

function distinct(all: readonly Grant[]): readonly Grant[] {
  // Every pair of two long lists can meet: what follows must not be quadratic in that.
  const grants = [...new Map(all.map((grant) => [printGrant(grant), grant])).values()].slice(0, LIMITS.grantsMax)
  const kept: Grant[] = []
  for (const [index, grant] of grants.entries()) {
    const others = [...kept, ...grants.slice(index + 1)]
    if (!others.some((other) => covers([[other]], grant))) kept.push(grant)
  }
  return kept
}
