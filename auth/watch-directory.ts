import { statSync, watch, type FSWatcher } from 'node:fs'

/** A hint that something in a directory changed. It may fail to come: whoever needs to know looks from time to time too. */
export interface DirectoryWatch extends Disposable {
  /** Watch again where watching has ended, or where another directory has taken the place of the one that is watched. */
  renew(): void
}

/**
 * Watch a directory, where the system lets us (no more watches: EMFILE, ENOSPC). It does not keep the process alive.
 *
 * @param onChange is told the name in the directory, where the system says it
 */
export function watchDirectory(directory: string, onChange: OnChange): DirectoryWatch {
  let watcher: FSWatcher | undefined
  let watched = ''
  function close(): void {
    watcher?.close()
    watcher = undefined
  }
  function renew(): void {
    const identity = identityOf(directory)
    if (watcher !== undefined && identity === watched) return
    close()
    if (identity === undefined) return
    watched = identity
    watcher = startWatching(directory, onChange, close)
  }
  renew()
  return { renew, [Symbol.dispose]: close }
}

type OnChange = (name: string | undefined) => void

function startWatching(directory: string, onChange: OnChange, onEnd: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, (_event, name) => onChange(name ?? undefined))
    watcher.on('error', onEnd)
    return watcher
  } catch {
    return undefined
  }
}

function identityOf(directory: string): string | undefined {
  try {
    const { dev, ino } = statSync(directory, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}
