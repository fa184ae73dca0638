import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

import { base62, bigEndian } from './base62.ts'

/** The two parts of a token that mean anything. */
export interface ApiToken {
  /** 12 characters, base62: looked up, told to people, logged. */
  readonly id: string
  /** 43 characters, base62, of 32 random bytes. Shown once. */
  readonly secret: string
}

/** Random bytes in one secret. */
export const SECRET_BYTES = 32

const PREFIX = 'dpt_'
const SECRET_LENGTH = 43
const CHECK_LENGTH = 6
const TOKEN = /^dpt_(?<id>[0-9A-Za-z]{12})_(?<secret>[0-9A-Za-z]{43})_(?<check>[0-9A-Za-z]{6})$/

/**
 * `dpt_<id>_<secret>_<checksum>`, 67 characters. The checksum lets a token that was cut or mistyped be refused before anything is
 * looked up, and lets scanners tell a leaked one from other text.
 *
 * @param id 12 characters, base62
 */
export function printApiToken({ id, secret }: ApiToken): string {
  const start = `${PREFIX}${id}_${secret}`
  return `${start}_${checksum(start)}`
}

/** The parts of a token, or undefined for anything that `printApiToken` would not have printed. */
export function parseApiToken(text: string): ApiToken | undefined {
  const groups = TOKEN.exec(text)?.groups
  if (groups === undefined) return undefined
  const { id = '', secret = '', check = '' } = groups
  return check === checksum(text.slice(0, -CHECK_LENGTH - 1)) ? { id, secret } : undefined
}

/** @param bytes `SECRET_BYTES` random ones */
export function secretText(bytes: Uint8Array): string {
  return base62(bigEndian(bytes), SECRET_LENGTH)
}

/** What is kept of a secret: its sha256. 256 random bits need no slow hash. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function checksum(text: string): string {
  return base62(BigInt(crc32(text)), CHECK_LENGTH)
}
