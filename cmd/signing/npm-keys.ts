import {
  generateSigningKey,
  parseKeysDocument,
  parseSigningKey,
  type PublicKeyEntry,
  type RegistryKeys,
  type SigningKey,
} from '../../protocols/npm/signing.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import type { ServeConfig } from '../settings/config.ts'
import type { KeyAgreement } from './key-agreement.ts'
import { keyFiles, readKeyText, writeKeyFile } from './key-files.ts'

/** A key that signs npm packages, and the file it was read from. */
export interface StoredNpmKey {
  readonly file: string
  readonly key: SigningKey
}

const FILES = keyFiles('npm-signing')

/** Where a server's keys lie: in files that somebody named, or in its store path. */
export type NpmKeyPlace = Pick<ServeConfig, 'storePath' | 'npmPrivateKeyFiles'>

/**
 * The keys of npm packages, of which the first one is made in an empty store path, and those of other registries that `--npm-keys` names.
 *
 * @throws UsageError for a file that holds no such key or keys, and when other servers have keys that this one has not
 */
export async function loadNpmKeys(
  config: NpmKeyPlace & Pick<ServeConfig, 'npmKeyFiles'>,
  agreement: KeyAgreement,
): Promise<RegistryKeys> {
  const { storePath } = config
  const foreign = await readForeignKeys(config.npmKeyFiles)
  let own = await readNpmKeys(config)
  if (own.length === 0) {
    const secret = generateSigningKey()
    await agreement.make(FILES.first(storePath), secret, parseSigningKey(secret).entry.keyid)
    own = await readNpmKeys(config)
  }
  const newest = own.at(-1)
  if (newest === undefined) throw new UsageError(`the key that was made in ${storePath} has gone`)
  await agreement.note(own.map(({ key }) => key.entry.keyid))
  const entries = [...own.map(({ key }) => key.entry), ...foreign]
  const published = new Map(entries.toReversed().map((entry) => [entry.keyid, entry]))
  return { signer: newest.key, published: [...published.values()].toReversed() }
}

/** Those that are there, oldest first; makes none. @throws UsageError for a file that holds no such key, without repeating it */
export async function readNpmKeys({ storePath, npmPrivateKeyFiles }: NpmKeyPlace): Promise<readonly StoredNpmKey[]> {
  const files = npmPrivateKeyFiles ?? (await FILES.list(storePath))
  return Promise.all(files.map(async (file) => ({ file, key: await readNpmKey(file) })))
}

/** Make a further key. @throws UsageError when somebody else makes one at the same time */
export async function makeNextNpmKey(storePath: string): Promise<StoredNpmKey> {
  const file = await FILES.next(storePath)
  if (!(await writeKeyFile(file, generateSigningKey()))) throw new UsageError(`${file} is there already: try again`)
  return { file, key: await readNpmKey(file) }
}

async function readNpmKey(file: string): Promise<SigningKey> {
  const text = await readKeyText(file, 'move it away, and depot serve makes one')
  try {
    return parseSigningKey(text)
  } catch (error) {
    throw new UsageError(`${file} is ${messageOf(error)}`)
  }
}

/** Public keys of other registries, from answers of their `/-/npm/v1/keys`. @throws UsageError */
export async function readForeignKeys(files: readonly string[]): Promise<readonly PublicKeyEntry[]> {
  const documents = files.map(async (file) => {
    const text = await readKeyText(file, 'save it: curl https://registry.npmjs.org/-/npm/v1/keys')
    try {
      return parseKeysDocument(text)
    } catch (error) {
      throw new UsageError(`--npm-keys ${file}: not what a registry's /-/npm/v1/keys answers: ${messageOf(error)}`)
    }
  })
  return (await Promise.all(documents)).flat()
}
