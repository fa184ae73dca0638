import { untilAborted } from './until-aborted.ts'

/** Whoever wants the same stands in line within a process, first come, first served. */
export interface Line {
  /** Resolves with how to leave, when everybody before has left. @throws the reason of `signal` */
  enter(name: string, signal: AbortSignal): Promise<() => void>
}

export function createLine(): Line {
  const last = new Map<string, Promise<void>>()
  return {
    async enter(name, signal) {
      signal.throwIfAborted()
      const before = last.get(name)
      const own = Promise.withResolvers<void>()
      // Whoever gives up waiting lets the next one wait for those before.
      const gone = Promise.all([before, own.promise]).then(() => {
        if (last.get(name) === gone) last.delete(name)
      })
      last.set(name, gone)
      try {
        await untilAborted(Promise.resolve(before), signal)
      } catch (error) {
        own.resolve()
        throw error
      }
      return own.resolve
    },
  }
}
