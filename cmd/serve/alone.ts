import type { Log } from '../../src/node/log.ts'
import { putPoolBehindEventLoop } from '../../src/node/pool-priority.ts'
import { boot } from './boot.ts'
import type { ServeConfig } from '../settings/config.ts'
import { greeting } from './greeting.ts'
import { stopSignal } from '../stop-signal.ts'

/** Serve with this process until a signal ends it. */
export async function serveAlone(
  config: ServeConfig,
  { log, warn }: { readonly log: Log; readonly warn: (message: string) => void },
): Promise<number> {
  const stopped = stopSignal()
  // It would end a process that does not know it, and who sends it means no such thing.
  process.on('SIGUSR2', () => warn('one process serves, and cannot be replaced by another: see --workers'))
  await putPoolBehindEventLoop()
  const booted = await boot({ config, events: log.events, accessLog: log.access, warn })
  // Without an auth file there is nothing to read again, and the signal says that the terminal was closed.
  if (config.authFile !== undefined) process.on('SIGHUP', () => void booted.auth.reload())
  const { url, publicKeys, auth } = booted
  process.stdout.write(greeting({ url, publicKeys, readsAreOpen: auth.readsAreOpen() }, config))
  await stopped.first
  process.stderr.write('depot: stopping; running requests may finish (again to stop at once)\n')
  await Promise.race([booted.drain(), stopped.second.then(() => booted.abort())])
  return 0
}
