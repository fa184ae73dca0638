import type { NamedStore } from '../../src/blobs/blob-stores.ts'
import { DepotError, hasCode } from '../../src/errors.ts'
import { hint } from '../../src/hint.ts'
import { LIMITS } from '../../src/limits.ts'
import { moveBlobs } from '../../src/blobs/move-blobs.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { STORAGE_SETTINGS } from '../settings/serve.ts'
import { sizeText } from '../doctor/sizes.ts'
import { CONFIG_ARGS, settingArgs, SETTINGS_NOTE } from '../settings/load.ts'
import { REDIRECT_SETTINGS, redirectConfig } from '../settings/redirects.ts'
import type { Environment } from '../environment.ts'
import { openConfigured, placeOf, type OpenedStores } from './list.ts'
import { takeMoveTurn } from './move-turn.ts'

/** `depot store move`. */
export function storeMoveCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'store move',
    description:
      'Move all blobs of one store to another, while the server runs: each is copied, read back, and then deleted.',
    args: {
      from: { type: 'positional', required: true, description: 'Name of the store to empty' },
      to: { type: 'positional', required: true, description: 'Name of the store that takes them' },
      ...settingArgs({ ...STORAGE_SETTINGS, ...REDIRECT_SETTINGS }),
      ...CONFIG_ARGS,
    },
    notes:
      'Stop it whenever you like: the next run goes on. First give the store read-only = true and restart the servers, or new blobs keep\n' +
      'coming; every server must know both stores. What is damaged stays where it is and is named; the exit status is then 1.\n' +
      'Clients that a server has sent to a bucket (--s3-redirect) find there what has moved for five minutes and a half; then it is deleted.\n\n' +
      SETTINGS_NOTE,
    examples: ['depot store move old-disk new-disk', 'depot store move local bucket --config /etc/depot/depot.toml'],
    async run({ flags, positionals: [from = '', to = ''] }) {
      await using opened = await openConfigured(flags, env, io)
      const pair = { from: storeNamed(opened, from), to: storeNamed(opened, to) }
      if (from === to) throw new UsageError('a store is not moved to itself')
      for (const store of [pair.from, pair.to]) await demandUsable(opened, store)
      await using turn = await takeMoveTurn(opened.config.databaseUrl, opened.kv)
      const keptMs = keptMsOf(opened, pair.from)
      if (keptMs > 0)
        io.err(`depot: clients may be on their way to ${from}: each blob stays there for ${KEPT} after it has moved`)
      const options = { ...pair, stores: opened.blobs, kv: opened.kv, keptMs, lost: turn.lost }
      let [moved, movedBytes, left] = [0, 0, 0]
      for await (const one of moveBlobs(options)) {
        if ('moved' in one) {
          moved++
          movedBytes += one.moved.storedBytes
        } else {
          left++
          io.err(`depot: ${one.left.domain}/${one.left.digest} stays in ${from}: ${one.reason}`)
        }
      }
      const stay = left === 0 ? '' : `, ${left} stay in ${from}`
      io.out(`${moved} ${moved === 1 ? 'blob' : 'blobs'} (${sizeText(movedBytes)}) moved from ${from} to ${to}${stay}`)
      return left === 0 ? 0 : 1
    },
  }
}

/** How long clients come for a blob to the store itself, after they were sent there. */
function keptMsOf({ values }: OpenedStores, { blobs }: NamedStore): number {
  return blobs.url === undefined || redirectConfig(values, true) === undefined ? 0 : LIMITS.storeMovedKeptMs
}

const KEPT = `${LIMITS.storeMovedKeptMs / 60_000} minutes`

/** @throws DepotError `STORAGE_DOWN` naming the store, before anything is moved */
async function demandUsable({ config }: OpenedStores, { name, blobs }: NamedStore): Promise<void> {
  try {
    await blobs.ping?.()
  } catch (cause) {
    if (!hasCode(cause, 'STORAGE_DOWN')) throw cause
    const ask =
      placeOf(config, name).type === 'fs'
        ? 'is its disk mounted, and has a server been started with it before?'
        : 'is there a way to its bucket from here?'
    throw new DepotError('STORAGE_DOWN', `the store '${name}' cannot be used: ${ask}`, { cause })
  }
}

function storeNamed({ blobs: { all } }: OpenedStores, name: string): NamedStore {
  const names = all.map((store) => store.name).filter((known) => known !== '')
  const found = names.includes(name) ? all.find((store) => store.name === name) : undefined
  if (found !== undefined) return found
  const there = names.length === 0 ? 'this depot has one store, without a name' : `there are ${names.join(', ')}`
  throw new UsageError(`no store is called '${name}'${hint(name, names)}: ${there}`)
}
