import { z } from 'zod'

import { ECOSYSTEMS } from '../protocols/index.ts'
import { INVENTORY_FORMAT } from '../src/bundle/delta.ts'
import { callApi, type Connection } from './client/api.ts'
import type { CliIo, Command } from './cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, URL_ARG } from './client/client.ts'
import type { Environment } from './environment.ts'

/** `depot inventory`. */
export function inventoryCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'inventory',
    description:
      'List the digests of all that a depot holds, for `depot bundle create --for`: a bundle then carries only the rest.',
    args: { url: URL_ARG, ...CLIENT_ARGS },
    notes:
      'It tells sha256 digests of npm tarballs, Python files and Nix archives and nothing else. It takes the right to read every\n' +
      `ecosystem whole.\n\n${CREDENTIALS_NOTE}`,
    examples: ['depot inventory > inside.inventory', 'depot inventory https://depot.inside > inside.inventory'],
    async run({ flags, positionals }) {
      const depot = await openDepot({ url: positionals[0], flags, env, io })
      const digests = new Set<string>()
      for (const ecosystem of ECOSYSTEMS) {
        for await (const digest of digestsOf(depot, ecosystem)) digests.add(digest)
      }
      io.out(INVENTORY_FORMAT)
      for (const digest of [...digests].toSorted()) io.out(digest)
      return 0
    },
  }
}

const PLACE = z.object({ key: z.string(), digest: z.string() })
const PAGE = z.object({ digests: z.array(z.string().regex(/^[0-9a-f]{64}$/)), next: PLACE.optional() })

async function* digestsOf(depot: Connection, ecosystem: string): AsyncGenerator<string> {
  let place: z.infer<typeof PLACE> | undefined = { key: '', digest: '' }
  while (place !== undefined) {
    const query = new URLSearchParams(place)
    const { digests, next }: z.infer<typeof PAGE> = await callApi(
      depot,
      { method: 'GET', path: `/${ecosystem}/-/inventory?${query.toString()}` },
      PAGE,
    )
    yield* digests
    // One that leads nowhere would have us ask for ever.
    place = next !== undefined && isBehind(next, place) ? next : undefined
  }
}

function isBehind(next: z.infer<typeof PLACE>, place: z.infer<typeof PLACE>): boolean {
  const order = Buffer.compare(Buffer.from(next.key), Buffer.from(place.key))
  return order > 0 || (order === 0 && next.digest > place.digest)
}
