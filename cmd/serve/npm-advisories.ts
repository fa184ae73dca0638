import { createHash } from 'node:crypto'
import { open, readdir, stat } from 'node:fs/promises'
import path from 'node:path'

import { watchDirectory } from '../../auth/watch-directory.ts'
import {
  createAdvisoryReader,
  type Advisories,
  type AdvisoryBook,
  type AdvisoryReader,
} from '../../protocols/npm/advisories.ts'
import { JsonValues } from '../../protocols/npm/json-values.ts'
import { breath } from '../../src/breath.ts'
import { DepotError } from '../../src/errors.ts'
import type { Events } from '../../src/events.ts'
import { oneAtATime } from '../../src/one-at-a-time.ts'
import { messageOf, systemCode } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'

/** The advisories of a file or folder as it is now. */
export interface FollowedAdvisories extends Advisories, AsyncDisposable {}

/**
 * Read advisories and follow their changes: by the system's hints, and by looking every few seconds. A content that is damaged changes
 * nothing: the one before it stays, and the failure is told once. Others are served while it is read, and it is in memory twice only as
 * far as it is kept.
 *
 * @throws UsageError when it is missing or damaged at the start, with file and line
 */
export async function openAdvisories(
  place: string,
  events: Pick<Events, 'advisoriesLoaded' | 'advisoriesRefused'>,
): Promise<FollowedAdvisories> {
  let seen = await identityOf(place).catch(refuse)
  let book = await load(place).catch(refuse)
  let lookMs = 0
  let stopped = false

  const check = oneAtATime(async () => {
    const start = performance.now()
    const now = await settled(place, seen, () => stopped)
    lookMs = performance.now() - start
    if (stopped || now === seen) return
    seen = now
    try {
      book = await load(place)
      events.advisoriesLoaded(book.packages)
    } catch (error) {
      events.advisoriesRefused(`${messageOf(error)}; the advisories before it stay`)
    }
  })

  let hint: ReturnType<typeof setTimeout> | undefined
  const folder = await folderOf(place)
  const watch = watchDirectory(folder, (name) => {
    if (folder !== place && !mayConcern(name, path.basename(place))) return
    hint ??= setTimeout(() => {
      hint = undefined
      void check()
    }, HINT_MS).unref()
  })
  // A folder of two hundred thousand files takes seconds to look at: the looks take a twentieth of the time at most.
  let timer = setTimeout(poll, POLL_MS).unref()
  function poll(): void {
    watch.renew()
    void check().finally(() => {
      if (!stopped) timer = setTimeout(poll, Math.max(POLL_MS, LOOK_SHARE * lookMs)).unref()
    })
  }

  return {
    of: (name) => book.of(name),
    async [Symbol.asyncDispose]() {
      stopped = true
      clearTimeout(timer)
      clearTimeout(hint)
      watch[Symbol.dispose]()
      await check()
    },
  }
}

const POLL_MS = 5_000
const LOOK_SHARE = 20
/** Changes come in bursts. */
const HINT_MS = 50
/** A file that is being written is another one after this time. */
const SETTLE_MS = 100
const FILES_AT_ONCE = 16
const READ_BYTES = 256 * 1024

/** Others may write beside the file all the time. Kubernetes swaps `..data`, through which its files are links. */
function mayConcern(changed: string | undefined, name: string): boolean {
  return changed === undefined || changed === name || changed.startsWith('..')
}

function refuse(error: unknown): never {
  throw error instanceof DepotError ? new UsageError(`--npm-advisories ${error.message}`) : error
}

/** All of it, or nothing. @throws DepotError that names file and line */
async function load(place: string): Promise<AdvisoryBook> {
  const reader = createAdvisoryReader()
  const files = await filesOf(place)
  // One directory may hold a file for each advisory: side by side they take a fifth of the time.
  for (let at = 0; at < files.length; at += FILES_AT_ONCE)
    await Promise.all(files.slice(at, at + FILES_AT_ONCE).map((file) => readInto(reader, file)))
  return reader.finish()
}

async function readInto(reader: AdvisoryReader, file: string): Promise<void> {
  const values = new JsonValues()
  try {
    await using handle = await open(file)
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, (await handle.stat()).size + 1))
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null)
      if (bytesRead === 0) break
      for (const value of values.push(buffer.subarray(0, bytesRead))) {
        reader.take(value)
        await breath()
      }
    }
    values.end()
  } catch (error) {
    throw new DepotError('BAD_REQUEST', `${file}: ${reasonOf(error)}`, { cause: error })
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof DepotError ? undefined : systemCode(error)
  return code === undefined ? messageOf(error) : `it cannot be read (${code})`
}

/** The folder itself, or that of the file. */
async function folderOf(place: string): Promise<string> {
  return (await stat(place)).isDirectory() ? place : path.dirname(place)
}

/** @throws DepotError when it is not there */
async function filesOf(place: string): Promise<readonly string[]> {
  try {
    if (!(await stat(place)).isDirectory()) return [place]
    const names = (await readdir(place)).filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    return names.sort().map((name) => path.join(place, name))
  } catch (error) {
    throw new DepotError('BAD_REQUEST', `${place}: ${reasonOf(error)}`, { cause: error })
  }
}

/** Another text once anything of it has changed. @throws DepotError as `filesOf` */
async function identityOf(place: string): Promise<string> {
  const hash = createHash('sha256')
  const files = await filesOf(place)
  for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
    const some = files.slice(at, at + FILES_AT_ONCE)
    for (const text of await Promise.all(some.map(fileIdentity))) hash.update(`${text}\0`)
    await breath()
  }
  return hash.digest('base64')
}

async function fileIdentity(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => undefined)
  return found === undefined ? file : `${file} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`
}

/** Look until two looks agree, so that nothing is taken while it is being written. One that is not there is told apart by why. */
async function settled(place: string, known: string, isStopped: () => boolean): Promise<string> {
  const look = (): Promise<string> => identityOf(place).catch((error: unknown) => messageOf(error))
  let seen = await look()
  while (seen !== known && !isStopped()) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const again = await look()
    if (again === seen) return again
    seen = again
  }
  return seen
}
