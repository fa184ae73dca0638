import { LIMITS } from '../../../src/limits.ts'
import type { News, Siblings } from '../../../src/siblings.ts'
import type { WorkerProcess } from './worker-process.ts'

/** Passes on what one worker tells to all others and to other servers, and tells it when they have heard it; and what those tell, to all. */
export interface NewsDesk {
  tell(news: News, id: number, from: WorkerProcess): void
  heard(id: number, by: WorkerProcess): void
}

/**
 * @param all every worker that lives at this moment
 * @param servers the other servers of the same database
 */
export function createNewsDesk(all: () => Iterable<WorkerProcess>, servers: Siblings): NewsDesk {
  const asked = new Map<number, ReadonlyMap<WorkerProcess, () => void>>()
  let count = 0

  async function pass(news: News, from?: WorkerProcess): Promise<void> {
    const id = ++count
    const others = [...all()].filter((worker) => worker !== from)
    const by = new Map<WorkerProcess, () => void>()
    const answers = others.map((worker) => new Promise<void>((resolve) => by.set(worker, resolve)))
    asked.set(id, by)
    for (const worker of others) {
      worker.send({ news, id })
      void worker.ended.then(() => by.get(worker)?.())
    }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LIMITS.newsHeardMs)
    })
    await Promise.race([Promise.all(answers), late])
    clearTimeout(timer)
    asked.delete(id)
  }

  async function tell(news: News, id: number, from: WorkerProcess): Promise<void> {
    await Promise.all([pass(news, from), servers.tell(news)])
    from.send({ heard: id })
  }

  servers.hear((news) => void pass(news))
  return {
    tell: (news, id, from) => void tell(news, id, from),
    heard: (id, worker) => asked.get(id)?.get(worker)?.(),
  }
}
