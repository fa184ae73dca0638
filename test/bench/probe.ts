import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, Worker, workerData } from 'node:worker_threads'

/** What others noticed while some work went on. */
export interface Noticed {
  /** The longest that an answer to `GET /healthz` took. */
  readonly longestMs: number
  /** The work itself, from its beginning to its end. */
  readonly tookMs: number
}

/** What other clients of a server notice: asked for in a thread of its own, as the one that sends has other things to do. */
export interface Probe extends AsyncDisposable {
  during(work: () => Promise<unknown>): Promise<Noticed>
}

/** Ask `/healthz` of a server again and again on one connection, a millisecond after each answer. */
export async function startProbe(url: string): Promise<Probe> {
  const worker = new Worker(import.meta.filename, { workerData: url })
  const longest = async (): Promise<number> => {
    worker.postMessage('tell')
    const [ms] = (await once(worker, 'message')) as [number]
    return ms
  }
  await longest()
  return {
    async during(work) {
      await longest()
      const began = performance.now()
      await work()
      const tookMs = performance.now() - began
      return { longestMs: await longest(), tookMs }
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}

/** In the thread: each message asks for the longest since the one before; an answer that is under way is waited for. */
async function ask(url: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let [longestMs, told] = [0, 0]
  parentPort?.on('message', () => told++)
  for (;;) {
    const asked = told
    longestMs = Math.max(longestMs, await answerMs(`${url}/healthz`, agent))
    if (asked > 0) {
      told -= asked
      parentPort?.postMessage(longestMs)
      longestMs = 0
    }
    await sleep(1)
  }
}

function answerMs(url: string, agent: Agent): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const began = performance.now()
  get(url, { agent }, (answer) => answer.resume().once('end', () => resolve(performance.now() - began))).once(
    'error',
    reject,
  )
  return promise
}

if (parentPort !== null && typeof workerData === 'string') await ask(workerData)
