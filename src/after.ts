import type { MaybePromise } from './kv-store.ts'

/**
 * What comes of a value that is there, or will be. Where it is there nothing waits: a promise on the way of a small answer costs more than
 * the row that it is made from.
 */
export function after<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}
