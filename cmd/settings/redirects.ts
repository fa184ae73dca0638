import { LIMITS } from '../../src/limits.ts'
import { addressSet } from '../../src/node/client-address.ts'
import type { RedirectRules } from '../../src/redirects.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import type { SettingTable, SettingValues } from './settings.ts'

const HOW = ['auto', 'always', 'never'] as const

/** Whether readers of archives are sent to the bucket. */
export const REDIRECT_SETTINGS = {
  's3-redirect': {
    type: 'string',
    description:
      'S3: who downloads archives from the bucket itself: those the two settings below name, everybody, nobody (default: never)',
    words: HOW,
  },
  's3-redirect-network': {
    type: 'list',
    description: 'S3: whose clients reach the bucket, as address or range, for auto; repeatable',
    hint: 'CIDR',
  },
  's3-redirect-min-size': {
    type: 'string',
    description: 'S3: bytes that an archive has at least, for auto; K, M and G are powers of 1024 (default: 1M)',
    hint: 'SIZE',
  },
} as const satisfies SettingTable

/** Readers of what size and from where are sent to a bucket. */
export interface RedirectConfig {
  readonly sizeBytesMin: number
  /** Addresses and ranges; undefined = from anywhere. */
  readonly networks: readonly string[] | undefined
}

/**
 * @param hasBucket whether any store is one
 * @returns undefined when nobody is redirected
 * @throws UsageError saying which setting and what it takes
 */
export function redirectConfig(values: SettingValues, hasBucket: boolean): RedirectConfig | undefined {
  const text = values.get('s3-redirect')?.[0] ?? 'never'
  const how = HOW.find((word) => word === text)
  if (how === undefined) throw new UsageError(`--s3-redirect takes auto, always or never, not '${text}'`)
  const networks = values.get('s3-redirect-network') ?? []
  const size = values.get('s3-redirect-min-size')?.[0]
  if (how !== 'auto') {
    if (networks.length > 0) throw new UsageError(`--s3-redirect-network goes with --s3-redirect auto, not ${how}`)
    if (size !== undefined) throw new UsageError(`--s3-redirect-min-size goes with --s3-redirect auto, not ${how}`)
  }
  if (how === 'never') return undefined
  if (!hasBucket) throw new UsageError('--s3-redirect goes with --storage-type s3, or with a store of that type')
  if (how === 'always') return { sizeBytesMin: 0, networks: undefined }
  if (networks.length === 0)
    throw new UsageError('--s3-redirect auto needs --s3-redirect-network: whose clients reach the bucket?')
  const config = { sizeBytesMin: sizeOf(size), networks }
  redirectRules(config)
  return config
}

/** The same for those who answer. @throws UsageError for a range that is none */
export function redirectRules({ sizeBytesMin, networks }: RedirectConfig): RedirectRules {
  if (networks === undefined) return { sizeBytesMin, reaches: () => true }
  try {
    return { sizeBytesMin, reaches: addressSet(networks) }
  } catch (error) {
    throw new UsageError(`--s3-redirect-network: ${messageOf(error)}`)
  }
}

const SIZE = /^(?<count>\d{1,9})(?<unit>[KMG]?)(?:iB|B)?$/
const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

function sizeOf(text: string | undefined): number {
  if (text === undefined) return LIMITS.redirectBytesMin
  const { count, unit = '' } = SIZE.exec(text)?.groups ?? {}
  const unitBytes = UNIT_BYTES[unit]
  if (count === undefined || unitBytes === undefined)
    throw new UsageError(`--s3-redirect-min-size takes a number of bytes such as 500K or 8M, not '${text}'`)
  return Number(count) * unitBytes
}
