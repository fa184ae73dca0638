import path from 'node:path'

import { DepotError, hasCode } from '../src/errors.ts'
import type { MaybePromise } from '../src/kv-store.ts'
import { type Ask, type KeyFile, readKeyFile } from './key-file.ts'
import { parsePublicKeyBlob } from './public-key.ts'
import { readPublicKeyFile } from './public-key-file.ts'
import type { Signer } from './signer.ts'
import { agentSigner, listAgentKeys } from './ssh-agent.ts'

export interface IdentityOptions {
  /** The person's home directory. */
  readonly home: string
  /** Of the person, on systems that have users. */
  readonly uid: number | undefined
  /** Where their SSH agent listens, if they have one. */
  readonly agentSocket: string | undefined
  /** The key that they named: a path, of its public file too, or a fingerprint `SHA256:…`. */
  readonly identity: string | undefined
  /** Undefined where there is nobody to ask. */
  readonly ask: Ask | undefined
  /** Is told why a key cannot be used, in a sentence that names it. */
  readonly onRefused: (reason: string) => void
}

/**
 * The keys that may sign somebody's logins, the likeliest first: the one that they named; or else those in their agent, then those at
 * ssh's usual places, of which an encrypted one only when there is nothing else. At most five: a depot never says which keys it knows.
 * Nothing is opened, and nobody asked, before it is its turn.
 *
 * @throws DepotError `NOT_FOUND` when the key that was named is nowhere, and whatever speaks against it.
 */
export async function* findSigners(options: IdentityOptions): AsyncGenerator<Signer, void, undefined> {
  if (options.identity !== undefined) {
    yield await namedSigner(options, options.identity)
    return
  }
  let found = 0
  for await (const signer of usualSigners(options)) {
    yield signer
    if (++found === SIGNERS_MAX) return
  }
}

const SIGNERS_MAX = 5
const USUAL_FILES = ['id_ed25519', 'id_ecdsa', 'id_rsa']

async function* usualSigners(options: IdentityOptions): AsyncGenerator<Signer, void, undefined> {
  const held = await agentSigners(options)
  yield* held
  const files = await usualFiles(options)
  const open = await signersOf(
    options,
    files.filter(({ encrypted }) => !encrypted),
  )
  yield* open.filter(({ fingerprint }) => !held.some((signer) => signer.fingerprint === fingerprint))
  if (held.length + open.length > 0) return
  for (const file of files.filter(({ encrypted }) => encrypted)) yield* await signersOf(options, [file])
}

async function namedSigner(options: IdentityOptions, identity: string): Promise<Signer> {
  if (identity.startsWith('SHA256:')) return fingerprintSigner(options, identity)
  const file = identity.startsWith('~/') ? path.join(options.home, identity.slice(2)) : identity
  return file.endsWith('.pub') ? publicFileSigner(options, file) : fileSigner(options, file)
}

async function fingerprintSigner(options: IdentityOptions, fingerprint: string): Promise<Signer> {
  const held = await heldSigner(options, fingerprint)
  if (held !== undefined) return held
  const files = await usualFiles(options)
  const [file] = files.filter(({ publicKey }) => publicKey?.fingerprint === fingerprint)
  if (file !== undefined) return unlock(options, file)
  // Other formats than OpenSSH's own tell their key only when they are opened.
  const open = await signersOf(
    options,
    files.filter(({ encrypted }) => !encrypted),
  )
  const signer = open.find((each) => each.fingerprint === fingerprint)
  if (signer !== undefined) return signer
  throw new DepotError('NOT_FOUND', `no SSH agent and no file in ~/.ssh has the key ${fingerprint}`)
}

/** A public file names the agent's key, or the private file beside it. */
async function publicFileSigner(options: IdentityOptions, file: string): Promise<Signer> {
  const { fingerprint } = await readPublicKeyFile(file)
  const held = await heldSigner(options, fingerprint)
  if (held !== undefined) return held
  const privateFile = file.slice(0, -'.pub'.length)
  const keyFile = await readIfThere(privateFile, options.uid)
  const signer = keyFile && (await unlock(options, keyFile))
  if (signer?.fingerprint === fingerprint) return signer
  const why = signer === undefined ? `${privateFile} is not there` : `${privateFile} is another one`
  throw new DepotError('NOT_FOUND', `no SSH agent has the key of ${file}, and ${why}`)
}

/** Whoever gave an encrypted key to their agent is not asked for its passphrase again. */
async function fileSigner(options: IdentityOptions, file: string): Promise<Signer> {
  const keyFile = await readKeyFile(file, options.uid)
  const fingerprint = keyFile.encrypted ? keyFile.publicKey?.fingerprint : undefined
  const held = fingerprint === undefined ? undefined : await heldSigner(options, fingerprint)
  return held ?? unlock(options, keyFile)
}

async function heldSigner(options: IdentityOptions, fingerprint: string): Promise<Signer | undefined> {
  const held = await agentSigners(options)
  return held.find((signer) => signer.fingerprint === fingerprint)
}

async function agentSigners(options: IdentityOptions): Promise<Signer[]> {
  const { agentSocket: socket } = options
  if (socket === undefined) return []
  const keys = await usable(options, () => listAgentKeys({ socket }))
  const signers = (keys ?? []).map(({ blob, comment }) =>
    usable(options, () => agentSigner({ socket }, parsePublicKeyBlob(blob), comment), `${comment} in the SSH agent: `),
  )
  return present(await Promise.all(signers))
}

/** A file that is not there is no reason worth telling. */
async function usualFiles(options: IdentityOptions): Promise<KeyFile[]> {
  const files = USUAL_FILES.map((name) => path.join(options.home, '.ssh', name))
  const read = files.map((file) => usable(options, () => readIfThere(file, options.uid)))
  return present(await Promise.all(read))
}

async function readIfThere(file: string, uid: number | undefined): Promise<KeyFile | undefined> {
  try {
    return await readKeyFile(file, uid)
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

async function signersOf(options: IdentityOptions, files: readonly KeyFile[]): Promise<Signer[]> {
  return present(await Promise.all(files.map((file) => usable(options, () => unlock(options, file)))))
}

function unlock({ ask }: IdentityOptions, keyFile: KeyFile): Promise<Signer> {
  return keyFile.unlock(ask ?? (() => Promise.reject(nobodyToAsk(keyFile.file))))
}

/** What `make` gives, unless something speaks against it, which is told. */
async function usable<T>(
  { onRefused }: IdentityOptions,
  make: () => MaybePromise<T>,
  about = '',
): Promise<T | undefined> {
  try {
    return await make()
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    onRefused(about + error.message)
    return undefined
  }
}

function present<T>(values: readonly (T | undefined)[]): T[] {
  return values.filter((value) => value !== undefined)
}

function nobodyToAsk(file: string): DepotError {
  return new DepotError(
    'UNAUTHENTICATED',
    `${file} needs its passphrase, and there is nobody to ask: add it to an SSH agent`,
  )
}
