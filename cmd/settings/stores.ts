import path from 'node:path'

import { z } from 'zod'

import { hint } from '../../src/hint.ts'
import { LIMITS } from '../../src/limits.ts'
import { PLACEMENTS, type PlacementStrategy } from '../../src/blobs/placement.ts'
import { placeName, type SeveralStoresConfig, type StoreOptions, type StorePlace } from '../../storage/open-stores.ts'
import { UsageError } from '../cli.ts'
import { S3_SETTINGS, s3OptionsOf } from './s3.ts'
import type { SettingTable, SettingValues } from './settings.ts'

export const PLACEMENT_SETTINGS = {
  placement: {
    type: 'string',
    description: 'Which of several stores a new blob goes to (default: in-order); stores stand in depot.toml',
    words: PLACEMENTS,
  },
} as const satisfies SettingTable

/**
 * The stores of the `[[stores]]` tables, or undefined when there are none.
 *
 * @throws UsageError naming the table and what is wrong with it
 */
export function storesConfig(values: SettingValues): SeveralStoresConfig | undefined {
  const tables = values.get('stores') ?? []
  const chosen = values.get('placement')?.[0]
  if (tables.length === 0) {
    if (chosen !== undefined) throw new UsageError('--placement needs stores to choose from: [[stores]] in depot.toml')
    return undefined
  }
  if (values.has('storage-type'))
    throw new UsageError('--storage-type is for a depot with one store: each of [[stores]] has its own type')
  if (tables.length > LIMITS.storesMax) throw new UsageError(`[[stores]]: ${LIMITS.storesMax} stores at most`)
  const placement = placementOf(chosen ?? 'in-order')
  const [first, ...others] = tables.map((text, index) => storeOf(JSON.parse(text), index + 1, placement))
  if (first === undefined) return undefined
  const stores = [first, ...others] as const
  refuseClashes(stores)
  if (stores.every(({ readOnly }) => readOnly))
    throw new UsageError('[[stores]]: every one is read-only, so nothing could be stored')
  if (placement === 'split') refuseWrongSum(stores)
  return { placement, stores: [first, ...others] }
}

function placementOf(text: string): PlacementStrategy {
  const found = PLACEMENTS.find((word) => word === text)
  if (found !== undefined) return found
  throw new UsageError(`--placement takes ${PLACEMENTS.join(', ')}, not '${text}'${hint(text, PLACEMENTS)}`)
}

const COMMON = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/),
  split: z.int().min(1).max(100).optional(),
  'read-only': z.boolean().optional(),
}

/** A setting of one bucket is a key here, without its `s3-`. What they take is checked where they are read. */
const S3_KEYS = Object.keys(S3_SETTINGS).map((name) => name.replace(/^s3-/, ''))

const STORE = z.discriminatedUnion('type', [
  z.strictObject({
    ...COMMON,
    type: z.literal('fs'),
    path: z.string().refine((text) => path.isAbsolute(text) && !text.includes('\0')),
  }),
  z.strictObject({
    ...COMMON,
    type: z.literal('s3'),
    ...Object.fromEntries(S3_KEYS.map((key) => [key, z.union([z.string(), z.boolean()]).optional()])),
  }),
])

/** What each key takes, as an operator is told. */
const TAKES: Readonly<Record<string, string>> = {
  name: "a name of lower-case letters, digits and dashes, such as 'cold'",
  type: "'fs' or 's3'",
  path: 'an absolute path',
  split: 'a whole number of per cent, from 1 to 100',
  'read-only': 'true or false',
}

function storeOf(table: unknown, number: number, placement: PlacementStrategy): StoreOptions {
  const where = tableName(table, number)
  const result = STORE.safeParse(table)
  if (!result.success) throw new UsageError(`${where}: ${faultOf(result.error.issues[0], table)}`)
  const { name, split, 'read-only': readOnly = false, ...keys } = result.data
  if (split !== undefined && placement !== 'split')
    throw new UsageError(`${where}: split goes with placement = "split", not with "${placement}"`)
  if (split !== undefined && readOnly)
    throw new UsageError(`${where}: a read-only store gets no new blobs, so it has no split`)
  if (split === undefined && placement === 'split' && !readOnly)
    throw new UsageError(`${where}: with placement = "split" it needs split, its part in per cent`)
  return { name, place: placeOf(keys, where), splitPercent: split ?? 0, readOnly }
}

function placeOf(
  keys: { readonly type: 'fs'; readonly path: string } | { readonly type: 's3' },
  where: string,
): StorePlace {
  if (keys.type === 'fs') return { type: 'fs', path: path.resolve(keys.path) }
  const given = new Map(Object.entries(keys).map(([key, value]) => [key, String(value)]))
  return { type: 's3', s3: s3OptionsOf((key) => given.get(key), `${where}: `) }
}

function tableName(table: unknown, number: number): string {
  const named = z.object({ name: z.string() }).safeParse(table)
  return `[[stores]] number ${number}${named.success ? ` ('${named.data.name}')` : ''}`
}

function faultOf(issue: z.core.$ZodIssue | undefined, table: unknown): string {
  const known = [...Object.keys(TAKES).filter((key) => key !== 'path' || !isS3(table)), ...(isS3(table) ? S3_KEYS : [])]
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    return `unknown key '${key}'${hint(key, known)}`
  }
  const key = String(issue?.path[0] ?? '')
  const takes = Object.hasOwn(TAKES, key) ? TAKES[key as keyof typeof TAKES] : 'a table'
  const isThere = typeof table === 'object' && table !== null && Object.hasOwn(table, key)
  return isThere ? `${key} takes ${takes}` : `${key} is missing: it takes ${takes}`
}

function isS3(table: unknown): boolean {
  return typeof table === 'object' && table !== null && 'type' in table && table.type === 's3'
}

function refuseClashes(stores: readonly StoreOptions[]): void {
  for (const [index, store] of stores.entries()) {
    const others = stores.slice(0, index)
    if (others.some(({ name }) => name === store.name))
      throw new UsageError(`[[stores]]: two stores are called '${store.name}'`)
    for (const other of others) {
      const [inner, outer] = isWithin(store.place, other.place) ? [store, other] : [other, store]
      if (!isWithin(inner.place, outer.place)) continue
      const [at, above] = [placeName(inner.place), placeName(outer.place)]
      throw new UsageError(
        at === above
          ? `[[stores]]: '${other.name}' and '${store.name}' are one place (${at}): each needs its own`
          : `[[stores]]: '${inner.name}' (${at}) lies inside '${outer.name}' (${above})`,
      )
    }
  }
}

function isWithin(inner: StorePlace, outer: StorePlace): boolean {
  if (inner.type === 'fs' && outer.type === 'fs') return folderOf(inner.path).startsWith(folderOf(outer.path))
  if (inner.type !== 's3' || outer.type !== 's3') return false
  const isSameBucket = inner.s3.bucket === outer.s3.bucket && inner.s3.endpoint === outer.s3.endpoint
  return isSameBucket && inner.s3.prefix.startsWith(outer.s3.prefix)
}

function folderOf(at: string): string {
  return at.endsWith('/') ? at : `${at}/`
}

function refuseWrongSum(stores: readonly StoreOptions[]): void {
  const sum = stores.reduce((total, { splitPercent }) => total + splitPercent, 0)
  if (sum === 100) return
  const parts = stores.filter(({ readOnly }) => !readOnly).map(({ name, splitPercent }) => `${name} ${splitPercent}`)
  throw new UsageError(`[[stores]]: split must come to 100 per cent in all, not ${sum} (${parts.join(', ')})`)
}
