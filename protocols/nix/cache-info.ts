import { DepotError } from '../../src/errors.ts'
import { readText } from '../../src/http/body.ts'
import { responseTo, textResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type Route } from '../../src/protocol.ts'
import type { SigningKey } from './signing.ts'
import { STORE_DIR } from './store-path.ts'

const PATTERN = '/nix-cache-info'
/** Lower is asked earlier; cache.nixos.org has 40. */
const PRIORITY = 30

/** `nix-cache-info`: what a client reads first, that this is a cache, for which store, and whose signatures it bears. One that is sent changes nothing. */
export function cacheInfoRoutes(keys: readonly SigningKey[]): readonly Route[] {
  const body = [
    `StoreDir: ${STORE_DIR}`,
    'WantMassQuery: 1',
    `Priority: ${PRIORITY}`,
    ...keys.map(({ publicKey }) => `PublicKey: ${publicKey}`),
    '',
  ].join('\n')
  return [
    route({
      method: 'GET',
      pattern: PATTERN,
      action: 'read',
      handle: (request) => responseTo(request, textResponse(200, body, { 'Content-Type': 'text/x-nix-cache-info' })),
    }),
    route({
      method: 'PUT',
      pattern: PATTERN,
      action: 'write',
      async handle(request) {
        checkStoreDir(await readText(request, LIMITS.narinfoBytesMax))
        return textResponse(200, '')
      },
    }),
  ]
}

/** A client that asks for settings of its own gets ours; only the store must be the same. */
function checkStoreDir(text: string): void {
  const directory = /^StoreDir: (?<directory>.*)$/m.exec(text)?.groups?.['directory']
  if (directory !== STORE_DIR) throw new DepotError('BAD_REQUEST', `this cache serves paths of ${STORE_DIR} alone`)
}
