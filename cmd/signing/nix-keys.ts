import { randomBytes } from 'node:crypto'

import { generateSecretKey, parseSecretKey, type SigningKey } from '../../protocols/nix/signing.ts'
import { UsageError } from '../cli.ts'
import type { ServeConfig } from '../settings/config.ts'
import type { KeyAgreement } from './key-agreement.ts'
import { keyFiles, readKeyText } from './key-files.ts'

/** A key that signs Nix paths, and the file it was read from. */
export interface StoredKey {
  readonly file: string
  readonly key: SigningKey
}

/** Where a server's keys lie: in files that somebody named, or in its store path. */
export type KeyPlace = Pick<ServeConfig, 'storePath' | 'privateKeyFiles'>

/** Where they lie in a store path. */
export const NIX_KEY_FILES = keyFiles('signing')

/**
 * The keys that a server signs with; in an empty store path one is made. Files that somebody named must be there: a slip of the finger
 * would otherwise sign with a key that no client trusts.
 *
 * @throws UsageError as `readSigningKeys`, and when other servers have keys that this one has not
 */
export async function loadSigningKeys(place: KeyPlace, agreement: KeyAgreement): Promise<readonly StoredKey[]> {
  let stored = await readSigningKeys(place)
  if (stored.length === 0) {
    const secret = generateSecretKey(randomKeyName())
    // Of servers that start at once on one folder, one makes the key and all read it.
    await agreement.make(NIX_KEY_FILES.first(place.storePath), secret, parseSecretKey(secret).publicKey)
    stored = await readSigningKeys(place)
  }
  await agreement.note(stored.map(({ key }) => key.publicKey))
  return stored
}

/**
 * The keys that are there, oldest first; makes none.
 *
 * @throws UsageError when a file is not there or not a Nix secret key, without repeating it, or two keys have one name.
 */
export async function readSigningKeys({ storePath, privateKeyFiles }: KeyPlace): Promise<readonly StoredKey[]> {
  const files = privateKeyFiles ?? (await NIX_KEY_FILES.list(storePath))
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
  const text = await readKeyText(file, MAKE)
  try {
    return parseSecretKey(text)
  } catch {
    throw new UsageError(`${file} is not a Nix secret key (${MAKE})`)
  }
}

const MAKE = 'make one: depot key generate --output FILE'

/** A name that no other depot has: clients tell keys apart by it. */
export function randomKeyName(): string {
  return `depot-${randomBytes(4).toString('hex')}-1`
}
