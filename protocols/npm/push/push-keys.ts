import { z } from 'zod'

import { askDepot } from '../../../src/client/ask-depot.ts'
import { failItem } from '../../../src/client/report.ts'
import type { PushRun } from '../../../src/client/runs.ts'
import { savedText } from '../../../src/client/saved-files.ts'
import { hasCode } from '../../../src/errors.ts'
import { parseJson } from '../../../src/http/body.ts'
import { LIMITS } from '../../../src/limits.ts'
import { SAVED_KEYS_PATH } from '../saved-paths.ts'
import { parseSentKeys } from '../signing.ts'

const KEYS_PATH = '/npm/-/npm/v1/keys'
const ITEM = "the registry's public keys"

/**
 * Bring the public keys that packages were signed with into the depot, where they are not there yet. Whoever sends packages need not be
 * let do this: it is then told, and the packages go all the same.
 *
 * @throws DepotError what ends a push
 */
export async function pushKeys({ files, transfer, report, dryRun }: PushRun): Promise<void> {
  const file = await files.find(SAVED_KEYS_PATH)
  if (file === undefined) return
  try {
    const text = await savedText(file, LIMITS.npmRegistryKeysBytesMax)
    const saved = parseSentKeys(parseJson(text))
    const question = { path: KEYS_PATH, accept: 'application/json' } as const
    const known = new Set((await askDepot(transfer, question, KEYS))?.keys.map(identity))
    if (saved.every((key) => known.has(identity(key)))) return
    if (!dryRun) await transfer.send({ method: 'PUT', path: KEYS_PATH, alone: true, body: () => text })
    report.add({ item: ITEM, result: 'done', sizeBytes: file.sizeBytes })
  } catch (error) {
    if (hasCode(error, 'FORBIDDEN') || hasCode(error, 'UNAUTHENTICATED')) {
      const reason =
        'you are no administrator there; their signatures cannot be checked inside until one pushes the keys'
      report.add({ item: ITEM, result: 'left out', reason })
    } else failItem(report, ITEM, error)
  }
}

const KEYS = z.object({
  keys: z.array(z.object({ keyid: z.string(), key: z.string(), expires: z.string().nullish() })),
})

function identity({ keyid, key, expires }: z.infer<typeof KEYS>['keys'][number]): string {
  return JSON.stringify([keyid, key, expires ?? null])
}
