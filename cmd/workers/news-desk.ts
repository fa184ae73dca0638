import { LIMITS } from '../../src/limits.ts'
import type { News } from '../../src/siblings.ts'
import type { WorkerProcess } from './worker-process.ts'

/** Passes on what one worker tells to all others, and tells it when they have heard it. */
export interface NewsDesk {
  tell(news: News, id: number, from: WorkerProcess): void
  heard(id: number, by: WorkerProcess): void
}

/** @param all every worker that lives at this moment */
export function createNewsDesk(all: () => Iterable<WorkerProcess>): NewsDesk {
  const asked = new Map<number, { readonly by: ReadonlyMap<WorkerProcess, () => void> }>()
  let count = 0

  async function pass(news: News, from: WorkerProcess): Promise<void> {
    const id = ++count
    const others = [...all()].filter((worker) => worker !== from)
    const by = new Map<WorkerProcess, () => void>()
    const answers = others.map((worker) => new Promise<void>((resolve) => by.set(worker, resolve)))
    asked.set(id, { by })
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

  return {
    tell: (news, id, from) => void pass(news, from).then(() => from.send({ heard: id })),
    heard: (id, worker) => asked.get(id)?.by.get(worker)?.(),
  }
}
