import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { tendInTurn } from '../../../cmd/serve/tending.ts'
import { createDepot } from '../../../src/create-depot.ts'
import type { Depot } from '../../../src/depot.ts'
import { DepotError } from '../../../src/errors.ts'
import { SILENT_EVENTS } from '../../../src/events.ts'
import type { Protocol } from '../../../src/protocol.ts'
import { openStorage } from '../../../storage/open.ts'
import { describeWith } from '../../helpers/have.ts'
import { createDatabase } from '../../helpers/postgres-database.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

/** A protocol whose work goes on until it is stopped, and that tells who is at it. */
function endless(name: string, at: Set<string>, ended: string[]): Protocol {
  return {
    name,
    mount: '/toy',
    routes: () => [],
    async tend(_depot, stop) {
      at.add(name)
      await sleep(600_000, undefined, { signal: stop }).catch(() => {})
      at.delete(name)
      ended.push(name)
    },
  }
}

async function opened(databaseUrl: string, events = SILENT_EVENTS): Promise<Depot & AsyncDisposable> {
  const { kv, blobs } = await openStorage({ storePath: '/nowhere', databaseUrl, storageType: 'memory' })
  const depot = createDepot({ kv, blobs, events })
  return { ...depot, [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose]() }
}

describe('work beside answering', () => {
  it('is done again after an outage by those that met it, and not after a bug', async () => {
    await using dir = await tempDir('tending')
    const told: string[] = []
    const events = {
      ...SILENT_EVENTS,
      tendingFailed: (name: string, code: string) => void told.push(`${name}: ${code}`),
      unexpectedError: (where: string) => void told.push(where),
    }
    await using depot = await opened(`sqlite://${dir.join('depot.db')}`, events)
    const tries: string[] = []
    const failing = (name: string, failures: number, error: Error): Protocol => ({
      ...endless(name, new Set(), []),
      async tend() {
        tries.push(name)
        if (tries.filter((one) => one === name).length <= failures) throw error
      },
    })
    const down = new DepotError('STORAGE_DOWN', 'away')
    const protocols = [failing('well', 0, down), failing('met', 2, down), failing('odd', 1, new TypeError('x'))]
    await using _tending = tendInTurn(depot, protocols, 10)
    await expect.poll(() => tries).toEqual(['well', 'met', 'odd', 'met', 'met'])
    await sleep(100)
    expect(tries).toHaveLength(5)
    expect(told).toEqual(['met: STORAGE_DOWN', 'tending odd', 'met: STORAGE_DOWN'])
  })
})

describeWith('postgres', 'work beside answering, in servers of one PostgreSQL', () => {
  it('is done by one of them at a time, and by the next one when that ends', async () => {
    await using database = await createDatabase()
    await using one = await opened(database.url)
    await using two = await opened(database.url)
    const at = new Set<string>()
    const ended: string[] = []
    const first = tendInTurn(one, [endless('one', at, ended)])
    await expect.poll(() => [...at]).toEqual(['one'])
    const second = tendInTurn(two, [endless('two', at, ended)])
    await sleep(2500)
    expect([...at]).toEqual(['one'])
    await first[Symbol.asyncDispose]()
    await expect.poll(() => [...at]).toEqual(['two'])
    expect(ended).toEqual(['one'])
    await second[Symbol.asyncDispose]()
  })

  it('stops with the connection that it is held by, and begins again', async () => {
    await using database = await createDatabase()
    await using one = await opened(database.url)
    const at = new Set<string>()
    const ended: string[] = []
    await using _tending = tendInTurn(one, [endless('one', at, ended)])
    await expect.poll(() => [...at]).toEqual(['one'])
    await database.sql`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (
      SELECT oid FROM pg_database WHERE datname = current_database())`
    await expect.poll(() => ended).toEqual(['one'])
    await expect.poll(() => [...at]).toEqual(['one'])
  })

  it('is waited for by nobody who is told to end', async () => {
    await using database = await createDatabase()
    await using one = await opened(database.url)
    await using two = await opened(database.url)
    const at = new Set<string>()
    await using _first = tendInTurn(one, [endless('one', at, [])])
    await expect.poll(() => [...at]).toEqual(['one'])
    const second = tendInTurn(two, [endless('two', at, [])])
    await sleep(100)
    // Whoever waited would wait for as long as the first one is at it.
    await second[Symbol.asyncDispose]()
    expect([...at]).toEqual(['one'])
  })
})
