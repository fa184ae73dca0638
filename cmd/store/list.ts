import path from 'node:path'

import type { BlobStore } from '../../src/blobs/blob-store.ts'
import { hasRoom } from '../../src/blobs/store-health.ts'
import { storeTotals } from '../../src/blobs/store-use.ts'
import { isPrepared, placeName } from '../../storage/open-stores.ts'
import { openStorage, type Storage } from '../../storage/open.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from '../cli.ts'
import type { StorageConfig } from '../settings/config.ts'
import { storageConfig } from '../settings/parse-config.ts'
import { SERVE_SETTINGS, STORAGE_SETTINGS } from '../settings/serve.ts'
import { sizeText } from '../doctor/sizes.ts'
import { isOn } from '../flags.ts'
import { CONFIG_ARGS, loadSettings, settingArgs, SETTINGS_NOTE } from '../settings/load.ts'
import type { SettingValues } from '../settings/settings.ts'
import type { Environment } from '../environment.ts'
import { table } from '../terminal/table.ts'

/** `depot store list`. */
export function storeListCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'store list',
    description:
      'List the stores that blobs lie in: how much is in each, how much room is left, and whether it answers.',
    args: {
      ...settingArgs(STORAGE_SETTINGS),
      ...CONFIG_ARGS,
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    notes:
      'Runs on the machine of the server, with its settings; safe beside it. State: ok, full (new blobs go elsewhere), read-only, new (the\n' +
      'first server that starts with it makes its folder), down.\n\n' +
      SETTINGS_NOTE,
    examples: ['depot store list', 'depot store list --json', 'depot store list --config /etc/depot/depot.toml'],
    async run({ flags }) {
      await using opened = await openConfigured(flags, env, io)
      const totals = await storeTotals(opened.kv, (row) => opened.blobs.nameOf(row))
      const lines = await Promise.all(
        opened.blobs.all.map(async ({ name, blobs }) => {
          const place = placeOf(opened.config, name)
          const total = totals.get(name) ?? { blobs: 0, bytes: 0 }
          const found = await stateOf(opened.config, name, blobs)
          const isNew = found.state === 'down' && total.blobs === 0 && (await isToBeMade(place))
          return { ...place, ...total, ...(isNew ? { ...found, state: 'new' as const } : found) }
        }),
      )
      if (isOn(flags, 'json')) for (const line of lines) io.out(JSON.stringify(line))
      else for (const line of table([HEAD, ...lines.map(cellsOf)])) io.out(line)
      return lines.some(({ state }) => state === 'down') ? 1 : 0
    },
  }
}

export interface OpenedStores extends Storage {
  readonly config: StorageConfig
  /** All that a server here is told. */
  readonly values: SettingValues
}

/** Open what the settings name, without changing it. @throws UsageError, DepotError */
export async function openConfigured(flags: ParsedArgs['flags'], env: Environment, io: CliIo): Promise<OpenedStores> {
  const { values, warnings, home } = loadSettings(SERVE_SETTINGS, flags, env)
  for (const warning of warnings) io.err(`depot: ${warning}`)
  const config = storageConfig(values, env, home)
  if (config.storageType === 'memory') throw new UsageError('blobs in memory are gone with their server')
  return { config, values, ...(await openStorage({ ...config, existing: true })) }
}

const HEAD = ['name', 'type', 'where', 'blobs', 'bytes', 'free', 'state']

interface Line extends ReturnType<typeof placeOf> {
  readonly blobs: number
  readonly bytes: number
  readonly freeBytes: number | undefined
  readonly state: string
}

function cellsOf({ name, type, where, blobs, bytes, freeBytes, state }: Line): readonly string[] {
  const free = freeBytes === undefined ? '-' : sizeText(freeBytes)
  return [name === '' ? '-' : name, type, where, String(blobs), sizeText(bytes), free, state]
}

/** Where a store is, in words of the table. */
export function placeOf({ stores, storageType, storePath, s3 }: StorageConfig, name: string) {
  const place = stores?.stores.find((store) => store.name === name)?.place
  const where = placeName(
    place ?? (s3 === undefined ? { type: 'fs', path: path.join(storePath, 'blobs') } : { type: 's3', s3 }),
  )
  return { name, type: place?.type ?? storageType, where }
}

/** A folder in which no server has opened a store. One in which blobs should lie is missing instead. */
async function isToBeMade({ type, where }: ReturnType<typeof placeOf>): Promise<boolean> {
  return type === 'fs' && !(await isPrepared(where).catch(() => true))
}

async function stateOf({ stores }: StorageConfig, name: string, blobs: BlobStore) {
  const readOnly = stores?.stores.find((store) => store.name === name)?.readOnly === true
  try {
    await blobs.ping?.()
    const space = await blobs.space?.()
    const state = readOnly ? 'read-only' : space !== undefined && !hasRoom(space) ? 'full' : 'ok'
    return { freeBytes: space?.freeBytes, state } as const
  } catch {
    return { freeBytes: undefined, state: 'down' } as const
  }
}
