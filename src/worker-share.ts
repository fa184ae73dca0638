let workers = 1

/** Say how many processes divide the memory of this server between them: before anything is loaded that asks `shareOf`. */
export function shareAmong(count: number): void {
  workers = count
}

/** The part of a bound for a whole server that this process may use; `least` is what it cannot work without. */
export function shareOf(total: number, least = 1): number {
  return Math.max(least, Math.ceil(total / workers))
}
