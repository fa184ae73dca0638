import { z } from 'zod'

import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError, type ErrorCode } from '../../src/errors.ts'
import { parseJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type Caller, type Route } from '../../src/protocol.ts'
import { createTurns } from '../../src/turns.ts'
import { readPlainText } from './content-encoding.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import { parseNarinfo, type Narinfo } from './narinfo.ts'
import { storePathEntry } from './store-path-entry.ts'

const narinfos = z.array(z.string().max(LIMITS.narinfoBytesMax)).max(LIMITS.manyNarinfosMax)

/** What became of one narinfo of many. */
interface Told {
  readonly result: 'created' | 'unchanged' | 'refused'
  /** Of a refusal: as it would have been answered alone. */
  readonly code?: ErrorCode
  readonly error?: string
}

/**
 * `POST -/narinfos`: many narinfos in one request, as a JSON list of texts, each after those of the paths that it refers to; a
 * Content-Encoding may be on it. Each is taken or refused as if it came alone. The answer tells of each in the same order:
 * `{"paths": [{"result": "created" | "unchanged" | "refused", "code"?, "error"?}, …]}`.
 */
export function manyNarinfosRoute(depot: Depot, rules: NarinfoRules): Route {
  return route({
    method: 'POST',
    pattern: '/-/narinfos',
    action: 'write',
    async handle(request) {
      const json = parseJson(await readPlainText(request, LIMITS.manyNarinfosBytesMax))
      const texts = parseAs(narinfos, json, 'the list of narinfos')
      return jsonResponse(200, { paths: await takeAll(depot, request, texts, rules) }, { 'Cache-Control': 'no-store' })
    },
  })
}

/** Side by side, but none before what it refers to: the database then makes one commit of many. */
async function takeAll(
  depot: Depot,
  caller: Caller,
  texts: readonly string[],
  rules: NarinfoRules,
): Promise<readonly Told[]> {
  const turns = createTurns(LIMITS.narinfosAtOnce)
  const underWay = new Map<string, Promise<Told>>()
  const take = async (narinfo: Narinfo, before: readonly (Promise<Told> | undefined)[]): Promise<Told> => {
    await Promise.all(before)
    await turns.take()
    try {
      return { result: await storePathEntry(depot, caller, narinfo, rules) }
    } catch (error) {
      return refused(error)
    } finally {
      turns.giveBack()
    }
  }
  const told: (Told | Promise<Told>)[] = []
  for (const text of texts) {
    await breath()
    const narinfo = parsed(text)
    if ('result' in narinfo) {
      told.push(narinfo)
      continue
    }
    const { baseName } = narinfo.storePath
    // Its own name too: the same path twice is taken in turn.
    const taking = take(
      narinfo,
      [baseName, ...narinfo.references].map((name) => underWay.get(name)),
    )
    // Whoever waits for it hears of a failure in their turn.
    taking.catch(() => {})
    underWay.set(baseName, taking)
    told.push(taking)
  }
  // None may still write when one has failed and the request is answered.
  await Promise.allSettled(told)
  return Promise.all(told)
}

function parsed(text: string): Narinfo | Told {
  try {
    return parseNarinfo(text)
  } catch (error) {
    return refused(error)
  }
}

/** @throws the error when it is not about this narinfo alone: the whole request is to be sent again */
function refused(error: unknown): Told {
  if (!(error instanceof DepotError) || error.status >= 500) throw error
  return { result: 'refused', code: error.code, error: error.message }
}
