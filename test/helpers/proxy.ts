import type { RequestListener } from 'node:http'

import type { TokenSource } from '../../src/client/token-source.ts'
import { startForwardProxy, type ForwardProxy } from '../../src/node/forward-proxy.ts'

/** What a test proxy shows to its depot, unless told otherwise. */
export const SHOWN = 'Bearer dpt_canary'

export interface TestProxy extends ForwardProxy {
  /** What credentials were asked for. */
  readonly asked: readonly { method: string; path: string }[]
  readonly failures: readonly string[]
}

/** A proxy on a free port that remembers what it did. */
export async function startTestProxy(
  target: string,
  authorization: TokenSource['authorization'] = () => SHOWN,
): Promise<TestProxy> {
  const asked: { method: string; path: string }[] = []
  const failures: string[] = []
  const proxy = await startForwardProxy({
    target: new URL(target),
    listen: { host: '127.0.0.1', port: 0 },
    credentials: {
      authorization(request) {
        asked.push(request)
        return authorization(request)
      },
    },
    failed: (sentence) => failures.push(sentence),
  })
  return Object.assign(proxy, { asked, failures })
}

/** An upstream that reads what it is sent and says ok. */
export const ok: RequestListener = (incoming, outgoing) => {
  incoming.resume().once('end', () => outgoing.end('ok'))
}
