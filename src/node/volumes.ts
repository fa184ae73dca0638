import { openAsBlob } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'

import { DepotError } from '../errors.ts'
import { filePieces, unreadable } from './file-pieces.ts'
import { isMissing } from './own-files.ts'

/** A file that may lie in several: `<file>`, or `<file>.001`, `<file>.002`, … in their order. */
export interface Volumes {
  /** Of all of them. */
  readonly sizeBytes: number
  /** The bytes `[start, end)`, across volumes; a piece is good until the next is asked for. */
  pieces(start: number, end: number): AsyncGenerator<Uint8Array, void, undefined>
  /** The same bytes, read when they are asked for. */
  blob(start: number, end: number): Promise<Blob>
}

/**
 * Find a file that may have been split. Any of its volumes may be named, or the file that they are of.
 *
 * @returns undefined when there is neither
 * @throws DepotError `NOT_FOUND` naming a volume that is missing between others, `STORAGE_DOWN` when one cannot be read
 */
export async function openVolumes(file: string): Promise<Volumes | undefined> {
  const whole = VOLUME.test(file) ? undefined : await sizeOf(file)
  const parts =
    whole === undefined ? await volumesOf(file.replace(VOLUME, '')) : [{ file: await realpath(file), sizeBytes: whole }]
  if (parts.length === 0) return undefined
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)

  /** Those that hold some of the bytes `[start, end)`, with their share of them. */
  function* shares(start: number, end: number): Generator<{ file: string; start: number; end: number }> {
    let from = 0
    for (const part of parts) {
      const to = from + part.sizeBytes
      if (to > start && from < end)
        yield { file: part.file, start: Math.max(start - from, 0), end: Math.min(end, to) - from }
      from = to
    }
  }

  return {
    sizeBytes,
    async *pieces(start, end) {
      for (const share of shares(start, end)) yield* filePieces(share.file, share.start, share.end)
    },
    async blob(start, end) {
      const slices = [...shares(start, end)].map(async (share) =>
        (await openAsBlob(share.file)).slice(share.start, share.end),
      )
      return new Blob(await Promise.all(slices))
    },
  }
}

/** The name of a volume, counted from 1. */
export function volumeName(file: string, number: number): string {
  return `${file}.${String(number).padStart(3, '0')}`
}

/** The volumes of a file that are there, by number. */
export async function volumeNumbers(file: string): Promise<readonly number[]> {
  const start = `${path.basename(file)}.`
  const names = await readdir(path.dirname(file)).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw unreadable(path.dirname(file), error)
  })
  const numbers = names
    .filter((name) => name.startsWith(start) && /^\d{3}$/.test(name.slice(start.length)))
    .map((name) => Number(name.slice(start.length)))
  return numbers.filter((number) => number > 0).sort((one, other) => one - other)
}

const VOLUME = /\.\d{3}$/

async function volumesOf(file: string): Promise<{ file: string; sizeBytes: number }[]> {
  const numbers = await volumeNumbers(file)
  const parts: { file: string; sizeBytes: number }[] = []
  for (let number = 1; number <= (numbers.at(-1) ?? 0); number++) {
    const name = volumeName(file, number)
    const sizeBytes = await sizeOf(name)
    if (sizeBytes === undefined)
      throw new DepotError('NOT_FOUND', `${name} is missing: all volumes have to lie side by side`)
    parts.push({ file: await realpath(name), sizeBytes })
  }
  return parts
}

async function sizeOf(file: string): Promise<number | undefined> {
  const found = await stat(file).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw unreadable(file, error)
  })
  return found?.isFile() === true ? found.size : undefined
}
