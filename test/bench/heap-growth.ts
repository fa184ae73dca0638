import { readFile } from 'node:fs/promises'

/** What one constructor has on the heap. */
interface Held {
  count: number
  bytes: number
}

export interface Grower {
  readonly name: string
  readonly count: number
  readonly bytes: number
}

export interface HeapGrowth {
  readonly beforeBytes: number
  readonly afterBytes: number
  /** The constructors that grew most, in bytes of their own, the largest first. */
  readonly growers: readonly Grower[]
}

/** Compare two heap snapshots of one process by constructor. */
export async function heapGrowth(before: string, after: string, shown = 15): Promise<HeapGrowth> {
  const [old, now] = [await byConstructor(before), await byConstructor(after)]
  const growers = [...now].map(([name, { count, bytes }]) => {
    const was = old.get(name) ?? { count: 0, bytes: 0 }
    return { name, count: count - was.count, bytes: bytes - was.bytes }
  })
  return {
    beforeBytes: total(old),
    afterBytes: total(now),
    growers: growers
      .filter(({ bytes }) => bytes > 0)
      .toSorted((one, other) => other.bytes - one.bytes)
      .slice(0, shown),
  }
}

function total(held: ReadonlyMap<string, Held>): number {
  return held.values().reduce((sum, { bytes }) => sum + bytes, 0)
}

interface Snapshot {
  readonly snapshot: {
    readonly meta: { readonly node_fields: readonly string[]; readonly node_types: readonly [readonly string[]] }
  }
  readonly nodes: readonly number[]
  readonly strings: readonly string[]
}

async function byConstructor(file: string): Promise<Map<string, Held>> {
  const { snapshot, nodes, strings } = JSON.parse(await readFile(file, 'utf8')) as Snapshot
  const { node_fields: fields, node_types: types } = snapshot.meta
  const [typeAt, nameAt, sizeAt] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field))
  if (typeAt === undefined || nameAt === undefined || sizeAt === undefined) throw new Error(`${file}: no heap snapshot`)
  const held = new Map<string, Held>()
  for (let at = 0; at < nodes.length; at += fields.length) {
    const type = types[0][nodes[at + typeAt] ?? -1] ?? ''
    const named = type === 'object' || type === 'native' || type === 'closure'
    const name = named ? `${type} ${strings[nodes[at + nameAt] ?? -1]}` : `(${type})`
    const one = held.get(name) ?? { count: 0, bytes: 0 }
    one.count++
    one.bytes += nodes[at + sizeAt] ?? 0
    held.set(name, one)
  }
  return held
}
