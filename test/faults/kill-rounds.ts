import { setTimeout as sleep } from 'node:timers/promises'

import { expect } from 'vitest'

import { startServerProcess, type ServerProcess, type ServerProcessOptions } from '../helpers/server-process.ts'
import type { ArtifactMaker } from './artifacts.ts'
import { acknowledged, broken, stagedFiles, writeUntilGone, type Journal } from './journal.ts'

export interface KillRounds {
  readonly rounds: number
  readonly random: () => number
  readonly maker: ArtifactMaker
  readonly server: ServerProcessOptions & { readonly dataDir: string }
}

const WRITERS = 8

/**
 * Kill a server while clients upload, again and again. What it acknowledged is there after each start and at the end, and nothing is wrong.
 * Returns what was sent.
 */
export async function killAgainAndAgain({ rounds, random, maker, server: options }: KillRounds): Promise<Journal> {
  const journal: Journal = new Map()
  const start = async (): Promise<ServerProcess> => {
    const server = await startServerProcess(options)
    expect(await stagedFiles(options.dataDir)).toEqual([])
    expect(await broken(server, journal)).toEqual([])
    return server
  }
  for (let round = 0; round < rounds; round++) {
    await using server = await start()
    const writers = Array.from({ length: WRITERS }, (_, client) =>
      writeUntilGone(server, maker.next.bind(maker, client), journal),
    )
    const before = acknowledged(journal)
    await sleep(50 + random() * 1950)
    // Slow as the machine may be, somebody gets through between two kills.
    await expect.poll(() => acknowledged(journal), { timeout: 60_000 }).toBeGreaterThan(before)
    await server.stop('SIGKILL')
    await Promise.all(writers)
  }
  await using server = await start()
  await server.stop()
  expect(server.logs()).not.toContain('"level":50')
  return journal
}
