import path from 'node:path'

import { readBounded } from '../../auth/read-bounded.ts'
import type { Signer } from '../../auth/signer.ts'
import { readSshSignature, signWithSsh } from '../../auth/ssh-signature.ts'
import { parseTrustedKeys, type TrustedKey } from '../../auth/trusted-keys.ts'
import { isSignature, parsePublicKey, parseSecretKey, type VerifyingKey } from '../../protocols/nix/signing.ts'
import { BUNDLE_FORMAT } from '../../src/bundle/manifest.ts'
import type { BundleContent, ManifestDigests } from '../../src/bundle/read-tar.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError, type CliIo, type ParsedArgs } from '../cli.ts'
import { isOn } from '../flags.ts'
import { candidateKeys } from '../client/keys.ts'
import { plain } from '../terminal/plain.ts'
import type { Environment } from '../environment.ts'

/** What every command takes that believes a bundle. */
export const TRUST_ARGS = {
  'trusted-key': {
    type: 'string',
    description:
      'Whose bundles to take: an SSH public key, a Nix public key, or a file of such lines or of allowed signers; repeatable',
    valueHint: 'KEY',
  },
  'allow-unsigned': { type: 'boolean', description: 'Also take one that is not signed, or by a key that is not named' },
} as const

/** What SSH signatures of bundles are for: `ssh-keygen -Y verify -n depot-bundle`. */
const NAMESPACE = 'depot-bundle'

/** A key that signs bundles. */
export interface BundleKey {
  /** For people. */
  readonly who: string
  /** What stands in `manifest.json.sig`. @throws DepotError `UNAUTHENTICATED` */
  sign(digests: ManifestDigests): Promise<string>
}

/**
 * The key to sign with: the file of an SSH key or of a Nix secret key, or `SHA256:…` of one in the agent. A passphrase is asked for
 * here, not when everything has been hashed.
 *
 * @throws DepotError `NOT_FOUND` and what speaks against the key
 */
export async function findBundleKey(named: string, env: Environment, io: CliIo): Promise<BundleKey> {
  const elsewhere = named.startsWith('SHA256:') || named.startsWith('~/')
  const secret = elsewhere ? undefined : NIX_SECRET.exec(await textOf(path.resolve(named)))?.[0]
  if (secret !== undefined) {
    const key = parseSecretKey(secret)
    return { who: key.publicKey, sign: async (digests) => `${key.sign(nixText(digests))}\n` }
  }
  const signer = await sshSigner(elsewhere ? named : path.resolve(named), env, io)
  return {
    who: `${signer.type} ${signer.fingerprint}`,
    sign: (digests) => signWithSsh(signer, NAMESPACE, digests),
  }
}

/** Whose bundles are taken. */
export interface Trust {
  readonly ssh: readonly TrustedKey[]
  readonly nix: readonly VerifyingKey[]
  readonly allowUnsigned: boolean
}

/** Read what `TRUST_ARGS` say. @throws UsageError for what is no key and no file of keys */
export async function readTrust(flags: ParsedArgs['flags'], nowMs: number): Promise<Trust> {
  const lines: string[] = []
  for (const named of flags['trusted-key'] ?? []) {
    const text = SSH_KEY.test(named) || NIX_KEY.test(named) ? named : await keysIn(path.resolve(named))
    lines.push(...text.split(/\r?\n/).map((line) => line.trim()))
  }
  if (lines.length > LIMITS.trustedKeysMax)
    throw new UsageError(`--trusted-key: more than ${LIMITS.trustedKeysMax} keys`)
  try {
    return {
      ssh: parseTrustedKeys(lines.filter((line) => !NIX_KEY.test(line)).join('\n'), NAMESPACE, nowMs),
      nix: lines.filter((line) => NIX_KEY.test(line)).map(parsePublicKey),
      allowUnsigned: isOn(flags, 'allow-unsigned'),
    }
  } catch (error) {
    throw new UsageError(`--trusted-key: ${messageOf(error)}`)
  }
}

/**
 * Who signed a bundle, for people.
 *
 * @throws DepotError `UNAUTHENTICATED` saying what to type when it is nobody whom we trust, `CONTENT_MISMATCH` when the signature is not
 * good: nothing makes up for that
 */
export function signerOf({ signature, digests }: Pick<BundleContent, 'signature' | 'digests'>, trust: Trust): string {
  if (signature === undefined) {
    if (trust.allowUnsigned) return 'not signed'
    throw untrusted('the bundle is not signed, so anybody may have made it; --allow-unsigned takes it all the same')
  }
  return signature.startsWith('-----') ? sshSignerOf(signature, digests, trust) : nixSignerOf(signature, digests, trust)
}

function sshSignerOf(text: string, digests: ManifestDigests, { ssh, allowUnsigned }: Trust): string {
  const signature = readSshSignature(text)
  if (!signature.verify(NAMESPACE, digests)) throw notGood()
  const { type, fingerprint, blob } = signature.key
  const who = `${type} ${fingerprint}`
  const trusted = ssh.find(({ key }) => key.fingerprint === fingerprint)
  if (trusted !== undefined) return `signed by ${plain(trusted.name === '' ? who : `${trusted.name} (${who})`)}`
  if (allowUnsigned) return `signed by ${who}, whom nobody named`
  throw untrusted(
    `the bundle is signed by ${who}, which no --trusted-key names. If that is the key of whom you expect it from:\n` +
      `  --trusted-key '${type} ${Buffer.from(blob).toString('base64')}'`,
  )
}

function nixSignerOf(text: string, digests: ManifestDigests, { nix, allowUnsigned }: Trust): string {
  const line = text.replace(/\n$/, '')
  if (!isSignature(line)) throw notGood()
  const name = line.slice(0, line.indexOf(':'))
  const named = nix.filter((key) => key.name === name)
  const good = named.find((key) => key.verify(nixText(digests), line))
  if (good !== undefined) return `signed by ${good.publicKey}`
  if (named.length > 0) throw notGood()
  if (allowUnsigned) return `signed by ${plain(name)}, whom nobody named`
  throw untrusted(
    `the bundle says that the Nix key ${plain(name)} signed it, which no --trusted-key names. Its public key comes from whom you expect it\n` +
      `  from ('depot key public FILE' prints it there): --trusted-key '${plain(name)}:…'`,
  )
}

/** What a Nix key signs: nothing that could stand in a narinfo. */
function nixText({ sha256 }: ManifestDigests): string {
  return `${BUNDLE_FORMAT};sha256:${sha256}`
}

const NIX_SECRET = /^[0-9A-Za-z._-]+:[0-9A-Za-z+/]{86}==(?=\s*$)/
const NIX_KEY = /^[0-9A-Za-z._-]+:[0-9A-Za-z+/]{43}=$/
const SSH_KEY = /^(?:ssh-|ecdsa-|sk-)\S+ \S/

async function sshSigner(named: string, env: Environment, io: CliIo): Promise<Signer> {
  const reasons: string[] = []
  for await (const signer of candidateKeys({
    env,
    named,
    remembered: undefined,
    onRefused: (why) => reasons.push(why),
  }))
    return signer
  for (const reason of reasons) io.err(`depot: ${reason}`)
  throw new DepotError('NOT_FOUND', `${named} is no key that can sign`)
}

/** Nothing for a file that is not there, or is too long for a key: whoever reads it next says so. */
async function textOf(file: string): Promise<string> {
  return (await readBounded(file, LIMITS.sshPrivateKeyBytesMax).catch(() => undefined))?.bytes.toString('latin1') ?? ''
}

async function keysIn(file: string): Promise<string> {
  const { bytes } = await readBounded(file, LIMITS.trustedKeysBytesMax).catch((error: unknown) => {
    throw new UsageError(
      `--trusted-key: ${file} is no public key, and cannot be read as a file of them (${messageOf(error)})`,
    )
  })
  return bytes.toString('utf8')
}

function untrusted(message: string): DepotError {
  return new DepotError('UNAUTHENTICATED', message)
}

function notGood(): DepotError {
  return new DepotError(
    'CONTENT_MISMATCH',
    'the signature does not fit the manifest: one of them was changed, or the signature was made for something else',
  )
}
