import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { clientRounds, goOn } from '../helpers/client-rounds.ts'
import { describeWith } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { caddyExample, nginxExample, type StartFront } from '../helpers/proxy-examples.ts'
import { startTwoServers, type TwoServers } from '../helpers/two-servers.ts'

const CLIENTS = ['postgres', 'openssl', 'nix', 'npm', 'pip'] as const

/** End one server after the other under clients that try once, and have none of them notice. */
async function restartInTurn(front: StartFront, turns: readonly (0 | 1)[]): Promise<void> {
  await using database = await createDatabase()
  await using servers = await startTwoServers(database.url, front)
  await using rounds = await clientRounds(servers, false)
  const stop = new AbortController()
  const work = Promise.all([
    goOn('nix', rounds.nix, stop.signal),
    goOn('npm', rounds.npm, stop.signal),
    goOn('pip', rounds.pip, stop.signal),
    ...['a', 'b', 'c'].map((name) => goOn(name, rounds.plain, stop.signal)),
  ])
  async function restartAll(): Promise<void> {
    await sleep(1000)
    for (const index of turns) {
      await servers.restart(index, 'SIGTERM')
      // As long as whoever does this waits for it to be ready.
      await sleep(2500)
    }
  }
  await Promise.race([work, restartAll()])
  stop.abort()
  const counts = await work
  expect(counts.slice(3).reduce((sum, count) => sum + count)).toBeGreaterThan(20)
}

describeWith([...CLIENTS, 'nginx'], 'two servers behind nginx', () => {
  it('are restarted one after the other, again and again, and no request of anybody fails', async () => {
    await restartInTurn(nginxExample, [0, 1, 0])
  }, 180_000)

  it('lose one to kill -9 in the middle of an upload, which its client repeats', async () => {
    await using database = await createDatabase()
    await using servers = await startTwoServers(database.url)
    await using rounds = await clientRounds(servers, true)
    const nix = rounds.client
    const [store = ''] = await nix.build(LARGE)
    const push = (): Promise<string> =>
      nix.run('copy', '--from', nix.root, '--to', `${servers.url}/nix?compression=none`, store)
    // It tries again by itself; old ones go on then where they were, and send the rest alone, which is refused.
    const isPushed = push().then(
      () => true,
      () => false,
    )
    const tmp = path.join(servers.dataDir, 'blobs', 'tmp')
    await servers.restart(await receiver(servers, tmp), 'SIGKILL')
    if (!(await isPushed)) await push()
    const target = path.join(nix.root, '..', 'pulled-killed')
    await nix.run('copy', '--from', `${servers.url}/nix`, '--to', target, store)
    // The server has cleared away what it had begun.
    await expect.poll(() => readdir(tmp)).toEqual([])
  }, 120_000)

  it('answer although one has been killed and nobody has been told', async () => {
    await using database = await createDatabase()
    await using servers = await startTwoServers(database.url)
    await using rounds = await clientRounds(servers, false)
    await rounds.plain('before')
    await servers.server(0).stop('SIGKILL')
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => servers.ask('GET', '/python/simple/plain-before/')),
    )
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    await rounds.nix('meanwhile')
    await servers.restart(0, 'SIGKILL')
    await servers.server(1).stop('SIGKILL')
    await rounds.nix('after')
  }, 120_000)
})

describeWith([...CLIENTS, 'caddy'], 'two servers behind Caddy', () => {
  it('are restarted one after the other, and no request of anybody fails', async () => {
    await restartInTurn(caddyExample, [0, 1])
  }, 180_000)
})

/** A path of 60 MB that no codec makes smaller. */
const LARGE = `derivation {
    name = "large-1.0"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
    __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
    args = [ "-c" "head -c 60000000 /dev/urandom > $out" ];
  }`

/** Which of the two has begun to write an upload: the names of unfinished files tell. */
async function receiver(servers: TwoServers, tmp: string): Promise<0 | 1> {
  for (;;) {
    const [name = ''] = await readdir(tmp)
    const pid = Number(name.split('-')[1])
    if (pid === servers.server(0).pid) return 0
    if (pid === servers.server(1).pid) return 1
    await sleep(1)
  }
}
