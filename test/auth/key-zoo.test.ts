import { randomBytes } from 'node:crypto'

import { jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { type Ask, readKeyFile } from '../../auth/key-file.ts'
import { mintLogin } from '../../auth/login.ts'
import { parsePublicKey, parsePublicKeyBlob } from '../../auth/public-key.ts'
import type { Signer } from '../../auth/signer.ts'
import { agentSigner, listAgentKeys } from '../../auth/ssh-agent.ts'
import { describeWith } from '../helpers/have.ts'
import { KEY_KINDS, type KeyKind, makeKey, startAgent, type TestKey } from '../helpers/ssh-keys.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

const PASSPHRASE = 'correct horse'
const uid = process.getuid?.()
const kinds = Object.keys(KEY_KINDS) as KeyKind[]

const ALGORITHM: Readonly<Record<KeyKind, string>> = {
  ed25519: 'EdDSA',
  'ecdsa-256': 'ES256',
  'ecdsa-384': 'ES384',
  'ecdsa-521': 'ES512',
  'rsa-2048': 'RS512',
  'rsa-3072': 'RS512',
  'rsa-4096': 'RS512',
}

describeWith('openssh', 'a login by a key of ssh-keygen verifies with its public key alone', () => {
  let directory: TempDir
  beforeAll(async () => {
    directory = await tempDir('zoo')
  })
  afterAll(() => directory[Symbol.asyncDispose]())

  it.each(kinds)('%s, from its file and from an agent', async (kind) => {
    const key = await makeKey(directory.path, { kind })
    const file = await readKeyFile(key.file, uid)
    expect(file).toMatchObject({ encrypted: false, publicKey: { fingerprint: key.fingerprint } })
    await verifies(key, await file.unlock(nobody), ALGORITHM[kind])
    await using agent = await startAgent([key])
    await verifies(key, await soleSigner(agent.socket), ALGORITHM[kind])
  })

  it.each(kinds)('%s, from a file with a passphrase', async (kind) => {
    const key = await makeKey(directory.path, { kind, passphrase: PASSPHRASE }, `${kind}-locked`)
    const file = await readKeyFile(key.file, uid)
    expect(file).toMatchObject({ encrypted: true, publicKey: { fingerprint: key.fingerprint } })
    const prompts: string[] = []
    const signer = await file.unlock((prompt) => Promise.resolve(prompts.push(prompt) > 0 ? PASSPHRASE : ''))
    expect(prompts).toEqual([`Passphrase of ${key.file}: `])
    await verifies(key, signer, ALGORITHM[kind])
  })

  // The size of an RSA key changes nothing in its format, and making large ones takes seconds.
  const old = (['ecdsa-256', 'ecdsa-384', 'ecdsa-521', 'rsa-2048'] as const).flatMap((kind) =>
    (['PEM', 'PKCS8'] as const).map((format) => [kind, format] as const),
  )
  it.each(old)('%s, from a file in %s, with a passphrase and without', async (kind, format) => {
    const key = await makeKey(directory.path, { kind, format }, `${kind}-${format}`)
    await verifies(key, await (await readKeyFile(key.file, uid)).unlock(nobody), ALGORITHM[kind])
    const name = `${kind}-${format}-locked`
    const locked = await makeKey(directory.path, { kind, format, passphrase: PASSPHRASE }, name)
    const file = await readKeyFile(locked.file, uid)
    expect(file).toMatchObject({ encrypted: true, publicKey: undefined })
    await verifies(locked, await file.unlock(() => Promise.resolve(PASSPHRASE)), ALGORITHM[kind])
  })
})

const nobody: Ask = (prompt) => Promise.reject(new Error(`asked: ${prompt}`))

async function soleSigner(socket: string): Promise<Signer> {
  const [held] = await listAgentKeys({ socket })
  if (held === undefined) throw new Error('the agent holds nothing')
  return agentSigner({ socket }, parsePublicKeyBlob(held.blob), held.comment)
}

/** Many logins, because one ECDSA number in some hundred is short. */
async function verifies(key: TestKey, signer: Signer, algorithm: string): Promise<void> {
  const { key: publicKey, algorithms, fingerprint } = parsePublicKey(key.type, key.base64)
  expect(signer).toMatchObject({ type: key.type, fingerprint: key.fingerprint })
  const audience = 'https://depot.example'
  for (let round = 0; round < (key.type.startsWith('ecdsa') ? 40 : 3); round++) {
    const jti = randomBytes(16).toString('base64url')
    const now = Math.floor(Date.now() / 1000)
    const token = await mintLogin({ signer, audience, issuer: 'depot-cli/test', now, jti })
    const verified = await jwtVerify(token, publicKey, { algorithms: [...algorithms], audience, typ: 'depot-ssh+jwt' })
    expect(verified.protectedHeader).toMatchObject({ alg: algorithm, kid: fingerprint })
    expect(verified.payload).toMatchObject({ sub: fingerprint, jti })
  }
}
