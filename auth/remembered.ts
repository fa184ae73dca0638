import { hash } from 'node:crypto'

import type { Principal } from '../src/access.ts'

/** A credential that was verified. */
export interface Verified {
  readonly principal: Principal
  readonly kind: 'login' | 'token'
  /** Milliseconds since 1970: not trusted from then on. */
  readonly until: number
}

export interface Remembered {
  /** Who showed this Authorization header before, while that may be trusted. */
  recall(authorization: string): Verified | undefined
  keep(authorization: string, verified: Verified): void
  /** Look at every credential again. */
  forget(): void
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
  return {
    recall(authorization) {
      const key = keyOf(authorization)
      const known = entries.get(key)
      if (known === undefined || (known.generation === generation() && now() < known.until)) return known
      entries.delete(key)
      return undefined
    },
    keep(authorization, verified) {
      entries.set(keyOf(authorization), { ...verified, generation: generation() })
      const [oldest] = entries.keys()
      if (entries.size > most && oldest !== undefined) entries.delete(oldest)
    },
    forget: () => entries.clear(),
  }
}

function keyOf(authorization: string): string {
  return hash('sha256', authorization, 'base64')
}
