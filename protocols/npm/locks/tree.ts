import { DepotError } from '../../../src/errors.ts'

/** A lock file as text, under the name that errors call it by. */
export interface LockText {
  readonly filename: string
  readonly text: string
}

/**
 * What stands in a lock file, whatever its syntax, with the offsets of its texts: a file is changed in place, not printed anew.
 * Keys stand in a Map, because `__proto__` is one that a file may have.
 */
export type Tree = MapTree | ListTree | TextTree | OtherTree

export interface MapTree {
  readonly kind: 'map'
  readonly at: number
  readonly entries: ReadonlyMap<string, Tree>
}

export interface ListTree {
  readonly kind: 'list'
  readonly at: number
  readonly items: readonly Tree[]
}

export interface TextTree {
  readonly kind: 'text'
  /** Where its spelling begins and ends, without quotes. */
  readonly at: number
  readonly end: number
  readonly text: string
  /** Whether its spelling stands in quotes. */
  readonly quoted: boolean
}

/** A number, a truth value, nothing. YAML has none of them here: all its scalars are read as texts. */
export interface OtherTree {
  readonly kind: 'other'
  readonly at: number
  readonly value: number | boolean | null
}

/** The error for a lock file in which something is wrong at an offset: it names file and line. */
export function malformed({ filename, text }: LockText, at: number, sentence: string): DepotError {
  return new DepotError('BAD_REQUEST', `${filename}:${lineOf(text, at)}: ${sentence}; ${CURE}`)
}

const CURE = 'let the client that wrote it write it anew'

/** Counted from 1. */
function lineOf(text: string, at: number): number {
  let line = 1
  for (let end = text.indexOf('\n'); end >= 0 && end < at; end = text.indexOf('\n', end + 1)) line++
  return line
}

/** Looks into trees of one lock file; what has another type than was asked for is an error that names its line. */
export interface TreeReader {
  /** @throws DepotError `BAD_REQUEST` */
  map(tree: Tree, what: string): MapTree
  mapIn(map: MapTree, key: string): MapTree | undefined
  /** Undefined also for `null` and `false`, which old clients wrote for "none". */
  textIn(map: MapTree, key: string): TextTree | undefined
  /** A list of texts, or one text alone. */
  wordsIn(map: MapTree, key: string): readonly string[] | undefined
  /** Whether it is `true`. */
  isOn(map: MapTree, key: string): boolean
  malformed(tree: Tree, sentence: string): DepotError
}

export function treeReader(source: LockText): TreeReader {
  const wrong = (tree: Tree, sentence: string): DepotError => malformed(source, tree.at, sentence)

  function map(tree: Tree, what: string): MapTree {
    if (tree.kind !== 'map') throw wrong(tree, `${what} is not a table of names and values`)
    return tree
  }
  function words(tree: Tree, key: string): readonly string[] {
    if (tree.kind === 'text') return [tree.text]
    if (tree.kind !== 'list') throw wrong(tree, `'${key}' is not a list of words`)
    return tree.items.map((item) => {
      if (item.kind !== 'text') throw wrong(item, `'${key}' is not a list of words`)
      return item.text
    })
  }

  return {
    map,
    malformed: wrong,
    mapIn({ entries }, key) {
      const tree = entries.get(key)
      return isNothing(tree) ? undefined : map(tree, `'${key}'`)
    },
    textIn({ entries }, key) {
      const tree = entries.get(key)
      if (isNothing(tree)) return undefined
      if (tree.kind !== 'text') throw wrong(tree, `'${key}' is not a text`)
      return tree
    },
    wordsIn({ entries }, key) {
      const tree = entries.get(key)
      return isNothing(tree) ? undefined : words(tree, key)
    },
    isOn({ entries }, key) {
      const tree = entries.get(key)
      if (tree?.kind === 'other') return tree.value === true
      return tree?.kind === 'text' && tree.text === 'true'
    },
  }
}

function isNothing(tree: Tree | undefined): tree is undefined {
  return tree === undefined || (tree.kind === 'other' && (tree.value === null || tree.value === false))
}
