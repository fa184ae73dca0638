import { createPrivateKey, type KeyObject } from 'node:crypto'

import { DepotError } from '../src/errors.ts'
import type { MaybePromise } from '../src/kv-store.ts'
import { LIMITS } from '../src/limits.ts'
import { systemCode } from '../src/thrown.ts'
import { keySigner } from './key-signer.ts'
import { parsePublicKeyBlob, type PublicKey } from './public-key.ts'
import { readBounded } from './read-bounded.ts'
import type { Signer } from './signer.ts'
import { printable, takeStrings } from './ssh-wire.ts'

/** Asks a person for a secret. */
export type Ask = (prompt: string) => Promise<string>

/** A private key as it lies in its file, locked or not. */
export interface KeyFile {
  readonly file: string
  /** A passphrase is needed to unlock it. */
  readonly encrypted: boolean
  /** Known before it is unlocked in OpenSSH's own format only. */
  readonly publicKey: PublicKey | undefined
  /**
   * @param ask for the passphrase; is called for an encrypted key only, once.
   * @throws DepotError `UNAUTHENTICATED` for a wrong passphrase, `INVALID_NAME` for a key that logins cannot be signed with.
   */
  unlock(ask: Ask): Promise<Signer>
}

/**
 * Read a private key: OpenSSH's own format, or PEM with PKCS#1, SEC1 or PKCS#8.
 *
 * @param uid who is asking, on systems that have users: a file of theirs must be closed to all others, as ssh itself wants it.
 * @throws DepotError `NOT_FOUND` when there is no such file, `FORBIDDEN` when it cannot be read or others may read it,
 * `INVALID_NAME` when it is no private key, or one of a type that logins cannot be signed with.
 */
export async function readKeyFile(file: string, uid: number | undefined): Promise<KeyFile> {
  const text = await readPrivately(file, uid)
  if (text.startsWith(`-----BEGIN ${OPENSSH}-----`)) return opensshKeyFile(file, text)
  if (!/^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----$/m.test(text)) throw notAKey(file)
  const encrypted = /^(?:-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: *4, *ENCRYPTED)/m.test(text)
  const load = (passphrase: string | undefined) =>
    createPrivateKey(passphrase === undefined ? text : { key: text, passphrase })
  return { file, encrypted, publicKey: undefined, unlock: (ask) => unlock({ file, encrypted, load }, ask) }
}

const OPENSSH = 'OPENSSH PRIVATE KEY'
const OPENSSH_MAGIC = 'openssh-key-v1\0'
const NO_CIPHER = 'none'
/** Of the number of keys, which is always one. */
const COUNT_BYTES = 4
const ED25519_SEED_BYTES = 32
const FOR_OTHERS = 0o077

/** The format of OpenSSH (PROTOCOL.key): its public key stands before the encrypted part. */
function opensshKeyFile(file: string, text: string): KeyFile {
  const { encrypted, blob } = opensshHead(file, text)
  const publicKey = named(file, () => parsePublicKeyBlob(blob))
  const load = async (passphrase: string | undefined) => {
    const { default: sshpk } = await import('sshpk')
    const options = passphrase === undefined ? {} : { passphrase }
    const key = sshpk.parsePrivateKey(text, 'ssh-private', options)
    const seed = key.parts.find(({ name }) => name === 'k')?.data
    return key.type === 'ed25519' && seed !== undefined
      ? ed25519Key(seed, publicKey)
      : createPrivateKey(key.toString('pkcs8'))
  }
  return {
    file,
    encrypted,
    publicKey,
    async unlock(ask) {
      const signer = await unlock({ file, encrypted, load }, ask)
      if (signer.fingerprint !== publicKey.fingerprint) throw notAKey(file)
      return signer
    },
  }
}

/** Not by sshpk's PKCS#8: it takes the seed for a number, and one that begins with a zero and a clear bit, as one in 512 does, comes out short. */
function ed25519Key(seed: Uint8Array, publicKey: PublicKey): KeyObject {
  const d = Buffer.alloc(ED25519_SEED_BYTES)
  d.set(seed, ED25519_SEED_BYTES - seed.length)
  return createPrivateKey({
    key: { ...publicKey.key.export({ format: 'jwk' }), d: d.toString('base64url') },
    format: 'jwk',
  })
}

function opensshHead(file: string, text: string): { encrypted: boolean; blob: Uint8Array } {
  const [, base64 = ''] = text.split(new RegExp(`-----(?:BEGIN|END) ${OPENSSH}-----`))
  const bytes = Buffer.from(base64, 'base64')
  const { strings, rest } = named(file, () => takeStrings(bytes.subarray(OPENSSH_MAGIC.length), 3))
  const [blob] = named(file, () => takeStrings(rest.subarray(COUNT_BYTES), 1)).strings
  if (blob === undefined || bytes.toString('latin1', 0, OPENSSH_MAGIC.length) !== OPENSSH_MAGIC) throw notAKey(file)
  return { encrypted: printable(strings[0] ?? bytes) !== NO_CIPHER, blob }
}

interface Locked {
  readonly file: string
  readonly encrypted: boolean
  readonly load: (passphrase: string | undefined) => MaybePromise<KeyObject>
}

async function unlock({ file, encrypted, load }: Locked, ask: Ask): Promise<Signer> {
  const passphrase = encrypted ? await ask(`Passphrase of ${file}: `) : undefined
  const privateKey = await loadOrExplain(file, () => load(passphrase), encrypted)
  return named(file, () => keySigner(privateKey, file))
}

/** The decoders' own words are left out: they may repeat what they read. */
async function loadOrExplain(
  file: string,
  load: () => MaybePromise<KeyObject>,
  encrypted: boolean,
): Promise<KeyObject> {
  try {
    return await load()
  } catch {
    if (!encrypted) throw notAKey(file)
    throw new DepotError('UNAUTHENTICATED', `${file}: wrong passphrase, or the file is damaged`)
  }
}

async function readPrivately(file: string, uid: number | undefined): Promise<string> {
  const {
    bytes,
    mode,
    uid: owner,
  } = await readBounded(file, LIMITS.sshPrivateKeyBytesMax).catch((error: unknown) => {
    throw unreadable(file, error)
  })
  if (owner === uid && (mode & FOR_OTHERS) !== 0)
    throw new DepotError('FORBIDDEN', `${file} is open to others: close it with chmod 600, or make a new key`)
  return bytes.toString('utf8')
}

function unreadable(file: string, error: unknown): DepotError {
  const code = systemCode(error)
  if (code === undefined) return notAKey(file)
  if (code === 'ENOENT') return new DepotError('NOT_FOUND', `${file} is not there`)
  return new DepotError('FORBIDDEN', `${file} cannot be read`, { cause: error })
}

/** Refusals say which file they are about. */
function named<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DepotError) throw new DepotError(error.code, `${file}: ${error.message}`, { cause: error })
    throw error
  }
}

function notAKey(file: string): DepotError {
  return new DepotError('INVALID_NAME', `${file} is not a private key that OpenSSH or OpenSSL writes`)
}
