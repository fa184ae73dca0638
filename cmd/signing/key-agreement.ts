import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'

import { z } from 'zod'

import type { Depot } from '../../src/depot.ts'
import { hasCode } from '../../src/errors.ts'
import { SYSTEM_CACHE } from '../../src/kv-store.ts'
import { parseDatabaseUrl } from '../../storage/database-url.ts'
import { UsageError } from '../cli.ts'
import { writeKeyFile } from './key-files.ts'

/** What keys are for, and what people are told of them. */
export const KEY_USES = {
  nix: { flag: '--private-key', file: 'signing.key', signs: 'Nix paths', make: 'depot key generate --output FILE' },
  npm: {
    flag: '--npm-private-key',
    file: 'npm-signing.key',
    signs: 'npm packages',
    make: 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE',
  },
} as const

export interface AgreementOptions {
  readonly depot: Pick<Depot, 'get' | 'commit' | 'retryConflicts'>
  readonly databaseUrl: string
  readonly use: keyof typeof KEY_USES
  /** Told when this server signs with none of the keys that the last one signed with. */
  readonly warn: (message: string) => void
}

/**
 * What all servers of one database sign with: each notes there the public keys that it starts with. Keys that somebody gave to a server are
 * the operator's word; one that a server would make by itself is one too many when others sign already.
 */
export interface KeyAgreement {
  /**
   * Put a new secret key into a file, unless there is one already.
   *
   * @throws UsageError when other servers, which share nothing with this one but a PostgreSQL database, have keys
   */
  make(file: string, secret: string, publicKey: string): Promise<void>
  /** Note what this server signs with. */
  note(publicKeys: readonly string[]): Promise<void>
}

const KIND = 'server-keys'
const NOTED = z.array(z.string())

export function agreeOnKeys(options: AgreementOptions): KeyAgreement {
  // A SQLite file belongs to one machine, whose owner may move its key away to have another one.
  return parseDatabaseUrl(options.databaseUrl).driver === 'postgres' ? agreeInDatabase(options) : NOBODY_ELSE
}

const NOBODY_ELSE: KeyAgreement = {
  make: async (file, secret) => void (await writeKeyFile(file, secret)),
  note: async () => {},
}

function agreeInDatabase({ depot, use, warn }: AgreementOptions): KeyAgreement {
  async function noted(): Promise<{ readonly keys: readonly string[]; readonly version: number }> {
    const record = await depot.get(SYSTEM_CACHE, KIND, use)
    if (record === undefined) return { keys: [], version: 0 }
    return { keys: NOTED.parse(JSON.parse(record.value)), version: record.version }
  }

  function put(keys: readonly string[], expected: number): Promise<void> {
    return depot.commit(SYSTEM_CACHE, { puts: [{ kind: KIND, key: use, value: JSON.stringify(keys), expected }] })
  }

  /** Whether there is a key of a server on this folder, which puts its file there before it notes it. */
  async function isMade(file: string): Promise<boolean> {
    const { keys } = await noted()
    if (keys.length === 0) return false
    if (existsSync(file)) return true
    throw oneTooMany(use, keys)
  }

  return {
    async make(file, secret, publicKey) {
      if ((await isMade(file)) || !(await writeKeyFile(file, secret))) return
      try {
        await put([publicKey], 0)
      } catch (error) {
        if (!hasCode(error, 'WRITE_CONFLICT')) throw error
        const { keys } = await noted()
        // Another server of this folder has read the file, and noted its key already.
        if (keys.includes(publicKey)) return
        // One of another folder made its key at the same moment, and was a little earlier.
        await rm(file, { force: true })
        throw oneTooMany(use, keys)
      }
    },
    note: (publicKeys) =>
      depot.retryConflicts(async () => {
        const { keys, version } = await noted()
        if (keys.join('\n') === publicKeys.join('\n')) return
        if (keys.length > 0 && !keys.some((key) => publicKeys.includes(key))) warn(differs(use, publicKeys, keys))
        await put(publicKeys, version)
      }),
  }
}

function oneTooMany(use: keyof typeof KEY_USES, keys: readonly string[]): UsageError {
  const { flag, file, signs, make } = KEY_USES[use]
  return new UsageError(
    `other servers of this database sign ${signs} with ${keys.join(', ')}, and this one has no key: give it theirs with ${flag} ` +
      `(${file} in their store path), or if that is lost a new one (${make})`,
  )
}

function differs(use: keyof typeof KEY_USES, own: readonly string[], others: readonly string[]): string {
  const { flag, signs } = KEY_USES[use]
  return (
    `this server signs ${signs} with ${own.join(', ')}, the one that started before with ${others.join(', ')}: ` +
    `clients must trust both, or give all servers the same ${flag}`
  )
}
