import { stat } from 'node:fs/promises'
import path from 'node:path'

import { ZSTD_LEVELS } from '../../src/codec/frames.ts'
import { DepotError } from '../../src/errors.ts'
import type { WholeFile } from '../../src/node/write-volumes.ts'
import { systemCode } from '../../src/thrown.ts'
import { UsageError, type ParsedArgs } from '../cli.ts'
import { isOn, lastOf } from '../flags.ts'

/** How a bundle is to be written. */
export type BundleForm =
  | { readonly kind: 'folder'; readonly folder: string }
  | { readonly kind: 'stdout'; readonly level: number | undefined }
  | {
      readonly kind: 'file'
      readonly file: string
      readonly level: number | undefined
      readonly volumeBytes: number | undefined
    }

export const FORM_ARGS = {
  split: {
    type: 'string',
    description:
      'Write volumes of at most so much, FILE.001 and so on: 650M, 4G (powers of a thousand: 4G fits on FAT)',
    valueHint: 'SIZE',
  },
  zstd: { type: 'boolean', description: 'Compress it, as is done when FILE ends in .zst' },
  'zstd-level': {
    type: 'string',
    description: `How hard, ${ZSTD_LEVELS.lowest} to ${ZSTD_LEVELS.highest} (default: ${ZSTD_LEVELS.usual})`,
    valueHint: 'LEVEL',
  },
} as const

/** Read what the flags and the name of the target say. @throws UsageError */
export async function bundleForm(target: string | undefined, flags: ParsedArgs['flags']): Promise<BundleForm> {
  if (target === undefined) throw new UsageError('write it where? Name a file, a folder with / at its end, or -')
  const volumeBytes = volumeSize(lastOf(flags, 'split'))
  const level = zstdLevel(target, flags)
  if (target === '-') {
    if (volumeBytes !== undefined) throw new UsageError('--split needs a file: standard output is one')
    return { kind: 'stdout', level }
  }
  const found = await stat(target).catch(() => undefined)
  if (!target.endsWith('/') && !target.endsWith(path.sep) && found?.isDirectory() !== true)
    return { kind: 'file', file: path.resolve(target), level, volumeBytes }
  if (volumeBytes !== undefined || level !== undefined)
    throw new UsageError('a folder is neither split nor compressed: name a file')
  return { kind: 'folder', folder: path.resolve(target) }
}

/** Standard output. It has no name, and whoever reads it sees an unfinished bundle end early. */
export function stdoutFile(): WholeFile {
  const { stdout } = process
  if (stdout.isTTY) throw new UsageError('a bundle is nothing for a terminal: name a file, or send it through a pipe')
  // Each write tells of its own failure; without somebody who listens the process would end at once.
  stdout.on('error', () => {})
  return {
    async write(bytes) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      stdout.write(bytes, (error) => {
        if (error == null) resolve()
        else reject(new DepotError('STORAGE_DOWN', `standard output was closed (${systemCode(error)})`))
      })
      await promise
    },
    finish: async () => [],
    async [Symbol.asyncDispose]() {},
  }
}

function volumeSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const { digits, unit = '' } = /^(?<digits>\d{1,15})(?<unit>[KMGT])?B?$/i.exec(text)?.groups ?? {}
  const bytes = Number(digits) * 1000 ** ' KMGT'.indexOf(unit.toUpperCase() || ' ')
  if (!Number.isSafeInteger(bytes) || bytes < VOLUME_BYTES_MIN)
    throw new UsageError('--split takes a size from 1K on: 650M, 4G')
  return bytes
}

const VOLUME_BYTES_MIN = 1000

function zstdLevel(target: string, flags: ParsedArgs['flags']): number | undefined {
  const text = lastOf(flags, 'zstd-level')
  const level = text === undefined ? ZSTD_LEVELS.usual : Number(text)
  if (!Number.isInteger(level) || level < ZSTD_LEVELS.lowest || level > ZSTD_LEVELS.highest)
    throw new UsageError(`--zstd-level is a number from ${ZSTD_LEVELS.lowest} to ${ZSTD_LEVELS.highest}`)
  return isOn(flags, 'zstd') || text !== undefined || target.endsWith('.zst') ? level : undefined
}
