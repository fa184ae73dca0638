import { createHash } from 'node:crypto'

import { encodeNix32, NIX32_CLASS } from './nix32.ts'

/** The one store this depot serves: clients refuse a cache whose store is elsewhere. */
export const STORE_DIR = '/nix/store'

/** What a store path is called below the store: `<32 digits>-<name>`. */
export interface StorePath {
  /** The whole base name. */
  readonly baseName: string
  /** 32 digits of Nix's base 32: the key of the narinfo. */
  readonly hash: string
  readonly name: string
}

const HASH_DIGITS = 32

/** The hash part, in a regular expression. */
export const STORE_HASH_CLASS = `${NIX32_CLASS}{${HASH_DIGITS}}`

// `.` and `..`, alone or before a dash, would be read as folders by something (nix: libstore/path.cc, checkName).
const BASE_NAME = new RegExp(`^(?<hash>${STORE_HASH_CLASS})-(?<name>(?!\\.{1,2}(?:-|$))[0-9A-Za-z+\\-._?=]{1,211})$`)

/** `<hash>-<name>`, or undefined when it is not of that form. */
export function parseBaseName(text: string): StorePath | undefined {
  const groups = BASE_NAME.exec(text)?.groups
  const [hash, name] = [groups?.['hash'], groups?.['name']]
  return hash === undefined || name === undefined ? undefined : { baseName: text, hash, name }
}

/** `/nix/store/<hash>-<name>`, or undefined when it is anything else. */
export function parseStorePath(text: string): StorePath | undefined {
  return text.startsWith(`${STORE_DIR}/`) ? parseBaseName(text.slice(STORE_DIR.length + 1)) : undefined
}

/** The hash part of a base name that is known to be one. */
export function hashOf(baseName: string): string {
  return baseName.slice(0, HASH_DIGITS)
}

/** The whole path of a base name. */
export function printStorePath(baseName: string): string {
  return `${STORE_DIR}/${baseName}`
}

const STORE_HASH_BYTES = 20

/**
 * The hash part of the store path called `name` whose kind is `type` (`source`, `text:<reference>…`, `output:out`) and
 * whose inner sha256 is `innerHex` (nix: libstore/store-api.cc, makeStorePath).
 */
export function makeStoreHash(type: string, innerHex: string, name: string): string {
  const digest = createHash('sha256').update(`${type}:sha256:${innerHex}:${STORE_DIR}:${name}`).digest()
  const folded = new Uint8Array(STORE_HASH_BYTES)
  digest.forEach((byte, index) => {
    const slot = index % STORE_HASH_BYTES
    folded[slot] = (folded[slot] ?? 0) ^ byte
  })
  return encodeNix32(folded)
}
