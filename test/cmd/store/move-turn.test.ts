import { describe, expect, it } from 'vitest'

import { takeMoveTurn } from '../../../cmd/store/move-turn.ts'
import { openKv } from '../../../storage/open.ts'
import { describeWith } from '../../helpers/have.ts'
import { createDatabase } from '../../helpers/postgres-database.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

describe('the turn to move blobs, names in SQLite', () => {
  it('is one command’s at a time, and the next one’s when it ends', async () => {
    await using dir = await tempDir('turn')
    await takesTurns(`sqlite://${dir.join('depot.db')}`)
  })
})

describeWith('postgres', 'the turn to move blobs, names in PostgreSQL', () => {
  it('is one command’s at a time, and the next one’s when it ends', { timeout: 20_000 }, async () => {
    await using database = await createDatabase()
    await takesTurns(database.url)
  })
})

async function takesTurns(databaseUrl: string): Promise<void> {
  await using first = await openKv({ databaseUrl })
  await using second = await openKv({ databaseUrl })
  {
    await using turn = await takeMoveTurn(databaseUrl, first)
    await expect(takeMoveTurn(databaseUrl, second)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(turn.lost.aborted).toBe(false)
  }
  await using _next = await takeMoveTurn(databaseUrl, second)
}
