import { createServer, type AddressInfo, type Server } from 'node:net'

import type { TakenContent } from '../../auth/follow-auth-file.ts'
import { openAuthFile, type AuthFile } from '../../auth/watch-auth-file.ts'
import { ECOSYSTEMS } from '../../protocols/ecosystems.ts'
import type { Log } from '../../src/node/log.ts'
import { messageOf } from '../../src/thrown.ts'
import { openSharedWriter } from '../../storage/open.ts'
import type { ServeConfig } from '../config.ts'
import { greeting } from '../greeting.ts'
import { localUrl } from '../local-url.ts'
import { loadNpmKeys } from '../npm-signing-keys.ts'
import { loadSigningKeys } from '../signing-keys.ts'
import { stopSignal } from '../stop-signal.ts'
import { createTeam, type Team } from './team.ts'

/**
 * Serve with several processes until a signal ends them. This one accepts their connections, commits for them where the database is SQLite,
 * follows the auth file, and replaces those that end. It touches no request: what breaks a worker leaves it alone.
 *
 * @throws what one process that serves throws when it cannot start
 */
export async function serveWithWorkers(
  config: ServeConfig,
  { log, warn }: { readonly log: Log; readonly warn: (message: string) => void },
): Promise<number> {
  const { events } = log
  const stopped = stopSignal()
  await using opened = new AsyncDisposableStack()
  // Made once, before several look for them.
  await loadSigningKeys(config)
  await loadNpmKeys(config)
  const writer = await openSharedWriter({ ...config, warn })
  if (writer !== undefined) opened.use(writer)
  let auth: TakenContent | undefined
  const team = createTeam({
    count: config.workers,
    start: (number) => ({ config, number, writes: writer !== undefined, auth }),
    writer,
    events,
    graceMs: config.graceMs,
  })
  const authFile = await followAuthFile(config, { events, warn }, (content) => {
    auth = content
    team.tellAll({ auth: content })
  })
  if (authFile !== undefined) opened.use(authFile)
  const ready = await Promise.race([team.begin(), stopped.first.then(() => undefined)])
  if (ready === undefined) {
    await stop(team, 'abort')
    return 0
  }
  const server = await accept(config, team).catch(async (error: unknown) => {
    await stop(team, 'abort')
    throw error
  })
  followSignals(team, authFile, warn)
  process.stdout.write(greeting({ url: localUrl(server.address() as AddressInfo), ...ready }, config))
  await Promise.race([stopped.first, team.down]).catch(async (error: unknown) => {
    server.close()
    await stop(team, 'abort')
    throw error
  })
  process.stderr.write('depot: stopping; running requests may finish (again to stop at once)\n')
  void stopped.second.then(() => team.tellAll('abort'))
  server.close()
  await stop(team, 'drain')
  return 0
}

async function stop(team: Team, how: 'drain' | 'abort'): Promise<void> {
  team.connections.close()
  team.tellAll(how)
  await team.end()
}

/** Listen where all workers are reached. Nothing is read here: a connection begins with the worker that has it. */
async function accept({ host, port }: ServeConfig, { connections }: Team): Promise<Server> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (connection) => connections.offer(connection))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return server
}

async function followAuthFile(
  { authFile: file }: ServeConfig,
  { events, warn }: { readonly events: Log['events']; readonly warn: (message: string) => void },
  taken: (content: TakenContent) => void,
): Promise<AuthFile | undefined> {
  if (file === undefined) return undefined
  return openAuthFile({ file, ecosystems: ECOSYSTEMS, events, warn, taken })
}

function followSignals(team: Team, authFile: AuthFile | undefined, warn: (message: string) => void): void {
  if (authFile !== undefined) process.on('SIGHUP', () => void authFile.reload())
  let isReplacing = false
  process.on('SIGUSR2', () => {
    if (isReplacing) return warn('the workers are being replaced already')
    isReplacing = true
    warn('replacing the workers, one after another')
    void team
      .replace()
      .then(
        () => warn('the workers are replaced'),
        (error: unknown) => warn(`a new worker could not start, the old ones stay: ${messageOf(error)}`),
      )
      .finally(() => (isReplacing = false))
  })
}
