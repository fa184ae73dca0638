import { s3Settings } from '../helpers/storage-pairs.ts'
import type { TestBucket } from '../helpers/s3.ts'
import { startWorld, type World } from '../helpers/world.ts'
import { startS3Proxy } from './s3-proxy.ts'
import { startWireProxy } from './wire-proxy.ts'

export interface MortalWorld {
  readonly world: World
  /**
   * From now on, what the server does to its stores is counted, each request to S3 and each piece to PostgreSQL: it dies `before` or `behind`
   * that step, and nothing that it does afterwards reaches them. Resolves when it has died.
   */
  die(step: number, when: 'before' | 'behind'): Promise<'died'>
  /** Let go of what is left of it, which takes a dead one some seconds. */
  bury(): Promise<void>
}

/** A server in this process over PostgreSQL and S3 that may be killed, as far as its stores and clients can tell. */
export async function startMortalWorld(bucket: TestBucket, databaseUrl: string): Promise<MortalWorld> {
  await using starting = new AsyncDisposableStack()
  const died = Promise.withResolvers<'died'>()
  let [left, when] = [Infinity, 'before']

  /** What becomes of the next step. */
  function fate(): 'lost' | 'last' | undefined {
    left--
    if (left > 0) return undefined
    if (left < 0) return 'lost'
    died.resolve('died')
    wire.faults.refusing = true
    // Its other connections end with it; what was sent last is on its way.
    setTimeout(() => wire.resetAll(), LAST_PIECE_MS)
    return when === 'before' ? 'lost' : 'last'
  }

  const judged = <Cut>(cut: Cut): 'lost' | Cut | undefined => {
    const verdict = fate()
    return verdict === 'last' ? cut : verdict
  }
  const s3 = starting.use(await startS3Proxy(bucket.endpoint, () => judged('reset' as const)))
  const wire = starting.use(await startWireProxy(databaseUrl, { judge: () => judged('unanswered' as const) }))
  const url = new URL(databaseUrl)
  url.host = `${wire.host}:${wire.port}`
  const settings = { ...s3Settings({ ...bucket, endpoint: s3.endpoint }), 'storage-type': 's3' }
  const world = await startWorld({ databaseUrl: url.href, settings })
  const proxies = starting.move()
  return {
    world,
    die(step, moment) {
      ;[left, when] = [step, moment]
      return died.promise
    },
    async bury() {
      await world[Symbol.asyncDispose]()
      await proxies.disposeAsync()
    },
  }
}

const LAST_PIECE_MS = 20
