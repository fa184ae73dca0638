import type { Events } from '../../../src/events.ts'
import type { Siblings } from '../../../src/siblings.ts'
import type { Write } from '../../../storage/kv/sqlite/commit.ts'
import { applyThrough, type WriteQueue } from '../../../storage/kv/sqlite/queue.ts'
import { createNewsDesk } from './news-desk.ts'
import type { Seats } from './seats.ts'
import type { Said, WorkerProcess } from './worker-process.ts'

export interface HearingOptions {
  /** Every worker that lives at this moment. */
  living(): Iterable<WorkerProcess>
  readonly seats: Pick<Seats, 'taken'>
  /** Who commits for them, if they do not do so themselves. */
  readonly writer: WriteQueue | undefined
  /** The other servers of the same database. */
  readonly servers: Siblings
  readonly events: Pick<Events, 'connectionMissed'>
}

/** What a parent does about what its workers say. */
export function hearWorkers({
  living,
  seats,
  writer,
  servers,
  events,
}: HearingOptions): (said: Said, from: WorkerProcess) => void {
  const news = createNewsDesk(living, servers)

  async function write(writes: readonly Write[], from: WorkerProcess): Promise<void> {
    if (writer === undefined) throw new Error('a worker has its parent commit, which has no writer')
    from.send({ outcomes: await applyThrough(writer, writes) })
  }

  return (said, from) => {
    if (said === 'taken' || said === 'missed') {
      // Whoever has no room for it would not have accepted it either.
      if (said === 'missed') events.connectionMissed(from.number)
      seats.taken(from)
    } else if ('writes' in said) void write(said.writes, from)
    else if ('news' in said) news.tell(said.news, said.id, from)
    else news.heard(said.heard, from)
  }
}
