import { availableParallelism } from 'node:os'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import type { TakenContent } from '../../../auth/follow-auth-file.ts'
import { openAuthFile, type AuthFile } from '../../../auth/watch-auth-file.ts'
import { ECOSYSTEMS } from '../../../protocols/ecosystems.ts'
import { bind } from '../../../src/node/bind.ts'
import type { Log } from '../../../src/node/log.ts'
import { NO_SIBLINGS } from '../../../src/siblings.ts'
import { messageOf } from '../../../src/thrown.ts'
import { openNews, openShared } from '../../../storage/open.ts'
import { schemaRule, type ServeConfig } from '../../settings/config.ts'
import { greeting } from '../greeting.ts'
import { localUrl } from '../local-url.ts'
import { stopSignal } from '../../stop-signal.ts'
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
  const stopped = stopSignal()
  const serving = Promise.withResolvers<Team>()
  followReplace(serving.promise, warn)
  warnOfCores(config, warn)
  await using opened = new AsyncDisposableStack()
  const { team, authFile } = await openTeam(config, { opened, events: log.events, warn })
  if (authFile !== undefined) process.on('SIGHUP', () => void authFile.reload())
  const begun = team.begin()
  const ready = await Promise.race([begun, stopped.first.then(() => undefined)])
  if (ready === undefined) {
    await stop(team, 'abort')
    return 0
  }
  serving.resolve(team)
  const server = await accept(config, team).catch(async (error: unknown) => {
    await stop(team, 'abort')
    throw error
  })
  process.stdout.write(greeting({ url: localUrl(server.address() as AddressInfo), ...ready }, config))
  await Promise.race([stopped.first, team.down]).catch(async (error: unknown) => {
    server.close()
    await stop(team, 'abort')
    throw error
  })
  process.stderr.write('depot: stopping; running requests may finish (again to stop at once)\n')
  void stopped.second.then(() => team.tellAll('abort'))
  if (config.drainDelayMs > 0) {
    team.turnUnready()
    await Promise.race([sleep(config.drainDelayMs, undefined, { ref: false }), stopped.second])
  }
  server.close()
  await stop(team, 'drain')
  return 0
}

function warnOfCores({ workers }: ServeConfig, warn: (message: string) => void): void {
  const cores = availableParallelism()
  if (workers > cores)
    warn(`--workers ${workers} on ${cores} ${cores === 1 ? 'core' : 'cores'}: the others only take memory`)
}

interface Opening {
  /** Disposes what is opened. */
  readonly opened: AsyncDisposableStack
  readonly events: Log['events']
  readonly warn: (message: string) => void
}

async function openTeam(
  config: ServeConfig,
  { opened, events, warn }: Opening,
): Promise<{ readonly team: Team; readonly authFile: AuthFile | undefined }> {
  const writer = await openShared({ ...config, schema: schemaRule(config.mode), warn })
  if (writer !== undefined) opened.use(writer)
  let auth: TakenContent | undefined
  const team = createTeam({
    count: config.workers,
    start: (number) => ({ config, number, writes: writer !== undefined, auth }),
    writer,
    servers: opened.use(await openNews(config)) ?? NO_SIBLINGS,
    events,
    graceMs: config.graceMs,
  })
  const authFile = await followAuthFile(config, { events, warn }, (content) => {
    auth = content
    team.tellAll({ auth: content })
  })
  if (authFile !== undefined) opened.use(authFile)
  return { team, authFile }
}

async function stop(team: Team, how: 'drain' | 'abort'): Promise<void> {
  team.connections.close()
  team.tellAll(how)
  await team.end()
}

/** Listen where all workers are reached. Nothing is read here: a connection begins with the worker that has it. */
async function accept({ host, port }: ServeConfig, { connections }: Team): Promise<Server> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (connection) => connections.offer(connection))
  await bind(server, { port, ...(host === undefined ? {} : { host }) })
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

/** From the start on, for a signal that nobody follows ends a process: one that comes before the team serves is followed when it does. */
function followReplace(serving: Promise<Team>, warn: (message: string) => void): void {
  let isReplacing = false
  process.on('SIGUSR2', () => {
    if (isReplacing) return warn('the workers are being replaced already')
    isReplacing = true
    warn('replacing the workers, one after another')
    void serving
      .then((team) => team.replace())
      .then(
        () => warn('the workers are replaced'),
        (error: unknown) => warn(`a new worker could not start, the old ones stay: ${messageOf(error)}`),
      )
      .finally(() => (isReplacing = false))
  })
}
