import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { generateSecretKey, parseSecretKey, type SigningKey } from '../protocols/nix/signing.ts'
import { systemCode } from '../src/thrown.ts'
import { UsageError } from './cli.ts'
import type { ServeConfig } from './config.ts'

/** A key that signs Nix paths, and the file it was read from. */
export interface StoredKey {
  readonly file: string
  readonly key: SigningKey
}

/** Where a server's keys lie: in files that somebody named, or in its store path. */
export type KeyPlace = Pick<ServeConfig, 'storePath' | 'privateKeyFiles'>

/**
 * The keys that a server signs with; in an empty store path one is made. Files that somebody named must be there: a slip of the finger
 * would otherwise sign with a key that no client trusts.
 *
 * @throws UsageError as `readSigningKeys`
 */
export async function loadSigningKeys(place: KeyPlace): Promise<readonly StoredKey[]> {
  const there = await readSigningKeys(place)
  if (there.length > 0) return there
  // Of servers that start at once on one folder, one makes the key and all read it.
  await writeKeyFile(path.join(place.storePath, keyFileName(1)), generateSecretKey(randomKeyName()))
  return readSigningKeys(place)
}

/**
 * The keys that are there, oldest first; makes none.
 *
 * @throws UsageError when a file is not there or not a Nix secret key, without repeating it, or two keys have one name.
 */
export async function readSigningKeys({ storePath, privateKeyFiles }: KeyPlace): Promise<readonly StoredKey[]> {
  const files = privateKeyFiles ?? (await keyFilesIn(storePath))
  const stored = await Promise.all(files.map(async (file) => ({ file, key: await readKeyFile(file) })))
  const names = stored.map(({ key }) => key.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  // A client looks for a signature by the name of its key.
  if (twice !== undefined)
    throw new UsageError(`--private-key: two keys are called ${twice}; each needs a name of its own`)
  return stored
}

/** @throws UsageError when it is not there or not a Nix secret key; the message does not repeat it. */
export async function readKeyFile(file: string): Promise<SigningKey> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === undefined) throw error
    throw new UsageError(
      `the key ${file} ${systemCode(error) === 'ENOENT' ? 'is not there' : 'cannot be read'} (${MAKE})`,
    )
  })
  try {
    return parseSecretKey(text)
  } catch {
    throw new UsageError(`${file} is not a Nix secret key (${MAKE})`)
  }
}

const MAKE = 'make one: depot key generate --output FILE'

/** Put a secret key into a new file, whole or not at all, for its owner alone. False when there is a file already: it stays. */
export async function writeKeyFile(file: string, secret: string): Promise<boolean> {
  await mkdir(path.dirname(file), { recursive: true })
  const partial = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await using handle = await open(partial, 'wx', 0o600)
    await handle.writeFile(`${secret}\n`)
    await handle.sync()
    await link(partial, file)
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return false
  } finally {
    await rm(partial, { force: true })
  }
}

/** A name that no other depot has: clients tell keys apart by it. */
export function randomKeyName(): string {
  return `depot-${randomBytes(4).toString('hex')}-1`
}

/** Where the next key of a store path goes: `signing.key`, `signing-2.key`, … */
export async function nextKeyFile(storePath: string): Promise<string> {
  const numbers = (await keyFilesIn(storePath)).map((file) => numberOf(path.basename(file)) ?? 0)
  return path.join(storePath, keyFileName(Math.max(0, ...numbers) + 1))
}

const KEY_FILE = /^signing(?:-(?<number>[1-9]\d{0,5}))?\.key$/

function keyFileName(number: number): string {
  return number === 1 ? 'signing.key' : `signing-${number}.key`
}

function numberOf(fileName: string): number | undefined {
  const match = KEY_FILE.exec(fileName)
  return match === null ? undefined : Number(match.groups?.['number'] ?? 1)
}

async function keyFilesIn(storePath: string): Promise<readonly string[]> {
  const names = await readdir(storePath).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  })
  return names
    .filter((name) => numberOf(name) !== undefined)
    .sort((one, other) => (numberOf(one) ?? 0) - (numberOf(other) ?? 0))
    .map((name) => path.join(storePath, name))
}
