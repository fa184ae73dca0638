import type { Download } from '../../../src/client/download.ts'
import { concernsOne } from '../../../src/client/fail-saved.ts'
import { DepotError, hasCode } from '../../../src/errors.ts'

/**
 * A download that does not wait again for a host of files that has never answered: each file is tried for half a minute, and a lock may
 * name thousands. Who has answered once is waited for each time.
 */
export function waitingOnce(download: Download): Download {
  const alive = new Set<string>()
  const dead = new Set<string>()
  const answered = (origin: string): void => {
    alive.add(origin)
    dead.delete(origin)
  }
  return {
    ...download,
    async file(request) {
      const { origin } = request.url
      if (dead.has(origin)) throw new DepotError('STORAGE_DOWN', `${origin} did not answer before: start again later`)
      try {
        const done = await download.file(request)
        answered(origin)
        return done
      } catch (error) {
        if (concernsOne(error)) answered(origin)
        else if (hasCode(error, 'STORAGE_DOWN') && !alive.has(origin)) dead.add(origin)
        throw error
      }
    },
  }
}
