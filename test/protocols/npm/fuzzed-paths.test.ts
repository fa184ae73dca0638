import { expect, it } from 'vitest'

import { npmProtocol } from '../../../protocols/npm/index.ts'
import { DepotError } from '../../../src/errors.ts'
import { parseTarget } from '../../../src/http/path.ts'
import { createRouter, type Router } from '../../../src/http/router.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { openTestDepot } from '../../helpers/depot.ts'

const BEGINNINGS = [
  '/npm/',
  '/',
  '/npm/@a%2f',
  '/npm/a/-/',
  '/npm/-/npm/v1/attestations/',
  '/npm/-/package/',
  '/npm/-/',
]
const PARTS = '@ %40 %2f / - . .. .tgz 1. 0 -rc. + ~ ^ a A %00 %ff é latest __proto__ -rev v1 npm- !'.split(' ')

/** Milliseconds that only an expression takes which tries every way to match. */
const SLOW_MS = 250

/** Texts that repeat one part, and mixtures, up to the longest URL that is looked at. */
function path(round: number): string {
  const beginning = BEGINNINGS[round % BEGINNINGS.length] ?? ''
  const part = PARTS[round % PARTS.length] ?? ''
  const length = (round * 37) % LIMITS.urlLengthMax
  if (round % 3 === 0)
    return beginning + part.repeat(Math.floor(length / part.length)) + (PARTS[(round * 7) % PARTS.length] ?? '')
  let text = beginning
  for (let at = 0; text.length < length % 300; at++) text += PARTS[(round * 31 + at * at * 7 + at) % PARTS.length] ?? ''
  return text
}

function timed(router: Router, method: string, target: string): number {
  const start = performance.now()
  try {
    router.match(method, parseTarget(target).segments)
  } catch (error) {
    expect(error).toBeInstanceOf(DepotError)
  }
  return performance.now() - start
}

it('finds the route of ten thousand odd paths, or that there is none, without trying every way to read one', async () => {
  await using test = await openTestDepot()
  const protocol = npmProtocol()
  const routes = protocol.routes(test.depot)
  const mount = { protocol, cache: MAIN_CACHE, routes }
  const router = createRouter([
    { ...mount, path: '/npm' },
    { ...mount, path: '' },
  ])
  const slow: string[] = []
  for (let round = 0; round < 10_000; round++) {
    const target = path(round)
    const method = ['GET', 'PUT', 'DELETE', 'POST'][round % 4] ?? ''
    // A busy machine is slow now and then; a path that is costly is slow each time, and much more than this.
    let ms = Infinity
    for (let tries = 0; tries < 5 && ms > SLOW_MS; tries++) ms = Math.min(ms, timed(router, method, target))
    if (ms > SLOW_MS) slow.push(target)
  }
  expect(slow).toEqual([])
})
