import { z } from 'zod'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type Caller, type Route } from '../../src/protocol.ts'
import { latestManifest } from './change-package.ts'
import { parseMaintainers, type Maintainer } from './package-document.ts'
import { parsePackageName } from './package-name.ts'
import { writeLivePackage } from './write-package.ts'

/** `pnpm owner add` and `rm` (pnpm 12), which npm does with the whole packument. */
export function ownerRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'PUT',
      pattern: '/-/package/:name/owners',
      params: { name: parsePackageName },
      action: 'write',
      resource: ({ name }) => name,
      async handle(request) {
        const { user } = parseAs(bodySchema, await readJson(request, LIMITS.accountBodyBytesMax), 'the owner')
        await changeOwners(depot, request, request.params.name, (owners) =>
          owners.some(({ name }) => name === user) ? owners : [...owners, { name: user }],
        )
        return jsonResponse(201, { ok: 'owner added', success: true })
      },
    }),
    route({
      method: 'DELETE',
      pattern: '/-/package/:name/owners/:user',
      params: { name: parsePackageName, user: (segment: string) => segment },
      action: 'write',
      resource: ({ name }) => name,
      async handle(request) {
        const { name, user } = request.params
        await changeOwners(depot, request, name, (owners) => {
          const left = owners.filter((owner) => owner.name !== user)
          if (left.length === owners.length) throw new DepotError('NOT_FOUND', `${name} has no such owner`)
          if (left.length === 0) throw new DepotError('BAD_REQUEST', 'add another owner before you remove the last one')
          return left
        })
        return jsonResponse(200, { ok: 'owner removed', success: true })
      },
    }),
  ]
}

const bodySchema = z.object({ user: z.string().min(1).max(LIMITS.npmNameLengthMax) })

async function changeOwners(
  depot: Depot,
  caller: Caller,
  name: string,
  change: (owners: readonly Maintainer[]) => readonly Maintainer[],
): Promise<void> {
  await writeLivePackage(depot, caller, name, async (loaded) => {
    const named = loaded.record.maintainers ?? (await latestManifest(depot, caller, name, loaded))?.['maintainers']
    const owners = named === undefined ? [] : parseMaintainers(named)
    const changed = change(owners)
    if (changed === owners) return undefined
    const maintainers = [...parseMaintainers(changed)]
    return {
      record: { ...loaded.record, maintainers, modified: new Date().toISOString() },
      done: [{ action: 'write' }],
    }
  })
}
