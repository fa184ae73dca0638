import { isAlias, isMap, isScalar, isSeq, parseAllDocuments, type Document } from 'yaml'

import { LIMITS } from '../../../src/limits.ts'
import { malformed, type LockText, type Tree } from './tree.ts'

/**
 * The documents of a YAML file, every scalar a text. No client writes aliases into a lock file, and a few of them can stand for more
 * than any memory holds: they are refused.
 *
 * @throws DepotError `BAD_REQUEST` with the line
 */
export function readYamlTrees(source: LockText): Tree[] {
  const documents = compose(source)
  const [problem] = documents.flatMap(({ errors }) => errors)
  if (problem !== undefined) {
    const [what = ''] = problem.message.split('\n')
    throw malformed(source, problem.pos[0], `this is not YAML: ${what.slice(0, 200)}`)
  }
  return documents.map(({ contents }) => treeOf(source, contents, 0))
}

function compose(source: LockText): Document[] {
  try {
    // Looking for equal keys takes the library a time that grows with their square: `treeOf` does it.
    const found = parseAllDocuments(source.text, { schema: 'failsafe', uniqueKeys: false, prettyErrors: false })
    return Array.isArray(found) ? [...(found as Document[])] : []
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw malformed(source, 0, 'it is nested too deeply')
  }
}

function treeOf(source: LockText, node: unknown, depth: number): Tree {
  if (depth > LIMITS.npmLockDepthMax) throw malformed(source, 0, 'it is nested too deeply')
  if (isAlias(node)) throw malformed(source, node.range?.[0] ?? 0, 'it has an alias, which no client writes')
  if (isMap(node)) {
    const entries = new Map<string, Tree>()
    for (const { key, value } of node.items) {
      const name = treeOf(source, key, depth + 1)
      if (name.kind !== 'text') throw malformed(source, name.at, 'a key is not a text')
      if (entries.has(name.text)) throw malformed(source, name.at, `'${name.text.slice(0, 200)}' stands there twice`)
      entries.set(name.text, treeOf(source, value, depth + 1))
    }
    return { kind: 'map', at: node.range?.[0] ?? 0, entries }
  }
  if (isSeq(node)) {
    return { kind: 'list', at: node.range?.[0] ?? 0, items: node.items.map((item) => treeOf(source, item, depth + 1)) }
  }
  if (!isScalar(node) || typeof node.value !== 'string') return { kind: 'other', at: rangeOf(node)[0], value: null }
  const [at, end] = rangeOf(node)
  const quoted = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE'
  const inset = quoted ? 1 : 0
  return { kind: 'text', at: at + inset, end: end - inset, text: node.value, quoted }
}

/** Where the node begins and where its value ends. */
function rangeOf(node: unknown): readonly [number, number] {
  const range = isScalar(node) ? node.range : undefined
  return range === undefined || range === null ? [0, 0] : [range[0], range[1]]
}
