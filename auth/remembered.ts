import { hash } from 'node:crypto'

import type { Principal } from '../src/access.ts'
import { putBounded } from '../src/bounded-map.ts'

/** A credential that was verified. */
export interface Verified {
  readonly principal: Principal
  readonly kind: 'login' | 'token'
  /** Milliseconds since 1970: not trusted from then on. */
  readonly until: number
}

/** Credentials that need not be verified again. */
export interface Remembered {
  /** Who showed this Authorization header before, while that may be trusted. */
  recall(authorization: string): Verified | undefined
  /** Now, for `keep`: to be asked before a credential is looked at. */
  moment(): Moment
  /** Unless everything was forgotten, or the keys changed, since that moment. */
  keep(authorization: string, verified: Verified, moment: Moment): void
  /** Look at every credential again. */
  forget(): void
}

/** Up to when everything that was found out counts. */
export interface Moment {
  readonly generation: number
  readonly forgotten: number
}

export interface RememberedOptions {
  readonly most: number
  /** Another number for every change of the keys: what was verified under an older one is not trusted. */
  generation(): number
  /** Milliseconds since 1970. */
  now(): number
}

/** Verified credentials by the hash of their header, so that memory holds none; the oldest go first. */
export function createRemembered({ most, generation, now }: RememberedOptions): Remembered {
  const entries = new Map<string, Verified & { readonly generation: number }>()
  let forgotten = 0
  return {
    recall(authorization) {
      const key = keyOf(authorization)
      const known = entries.get(key)
      if (known === undefined || (known.generation === generation() && now() < known.until)) return known
      entries.delete(key)
      return undefined
    },
    moment: () => ({ generation: generation(), forgotten }),
    keep(authorization, verified, moment) {
      if (moment.forgotten !== forgotten) return
      putBounded(entries, most, keyOf(authorization), { ...verified, generation: moment.generation })
    },
    forget() {
      entries.clear()
      forgotten++
    },
  }
}

function keyOf(authorization: string): string {
  return hash('sha256', authorization, 'base64')
}
