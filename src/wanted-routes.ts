import { jsonResponse } from './http/respond.ts'
import type { Depot } from './depot.ts'
import { auditEntry, route, type Protocol, type Route } from './protocol.ts'
import { forgetWanted, wantedNames, type WantedNotes } from './wanted.ts'

/**
 * `POST -/wanted`: what clients asked for in vain and what is not here by now, `{"wanted": […]}`. For those who bring things in, since it may
 * name what others keep to themselves; and as what only they may do, it is no GET. `DELETE -/wanted` forgets it all. Both count what this
 * process was asked for up to now, written or not. No routes for a protocol that does not tell what it holds.
 */
export function wantedRoutes(
  depot: Depot,
  notes: Pick<WantedNotes, 'flush'>,
  { name: ecosystem, held }: Protocol,
): readonly Route[] {
  if (held === undefined) return []
  return [
    route({
      method: 'POST',
      pattern: '/-/wanted',
      action: 'write',
      root: false,
      async handle(request) {
        await notes.flush()
        const names = await wantedNames(depot, request.cache, ecosystem)
        const come = await held(depot, request.cache, names)
        const wanted = names.filter((name) => !come.has(name))
        return jsonResponse(200, { wanted }, { 'Cache-Control': 'no-store' })
      },
    }),
    route({
      method: 'DELETE',
      pattern: '/-/wanted',
      action: 'admin',
      root: false,
      async handle(request) {
        await notes.flush()
        const names = await wantedNames(depot, request.cache, ecosystem)
        const audit = [auditEntry(request, { action: `${ecosystem}:delete`, resource: 'wanted', digest: '' })]
        await forgetWanted(depot, request.cache, ecosystem, names, audit)
        return jsonResponse(200, { forgotten: names.length }, { 'Cache-Control': 'no-store' })
      },
    }),
  ]
}
