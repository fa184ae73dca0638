import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

import { readKeyFile } from '../../auth/key-file.ts'
import { parsePublicKey } from '../../auth/public-key.ts'
import { agentSigner } from '../../auth/ssh-agent.ts'
import { readSshSignature, signWithSsh, type SignedDigests } from '../../auth/ssh-signature.ts'
import { describeWith, have } from '../helpers/have.ts'
import { KEY_KINDS, makeKey, startAgent, type KeyKind, type TestKey } from '../helpers/ssh-keys.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

const NAMESPACE = 'depot-bundle'
const MESSAGE = 'a manifest\n'
const run = promisify(execFile)

describeWith('openssh', 'signatures by SSH keys', () => {
  it.each(Object.keys(KEY_KINDS) as KeyKind[])(
    'by %s are checked by ssh-keygen, and those of ssh-keygen here',
    async (kind) => {
      await using dir = await tempDir('sshsig')
      const key = await makeKey(dir.path, { kind })
      const ours = await signWithSsh(await signerOf(key), NAMESPACE, digestsOf(MESSAGE))
      await expect(checkWithOpenssh(dir, key, ours)).resolves.toContain('Good "depot-bundle" signature')
      await expect(checkWithOpenssh(dir, key, ours, 'another manifest\n')).rejects.toThrow()

      const theirs = readSshSignature(await signWithOpenssh(dir, key, NAMESPACE))
      expect(theirs.key.fingerprint).toBe(key.fingerprint)
      expect(theirs.verify(NAMESPACE, digestsOf(MESSAGE))).toBe(true)
      expect(theirs.verify(NAMESPACE, digestsOf('another manifest\n'))).toBe(false)
    },
  )

  it.each(['ed25519', 'ecdsa-256', 'rsa-3072'] as const)('by %s are made in an agent too', async (kind) => {
    await using dir = await tempDir('sshsig')
    const key = await makeKey(dir.path, { kind })
    await using agent = await startAgent([key])
    const signer = agentSigner({ socket: agent.socket }, parsePublicKey(key.type, key.base64), key.comment)
    const text = await signWithSsh(signer, NAMESPACE, digestsOf(MESSAGE))
    await expect(checkWithOpenssh(dir, key, text)).resolves.toContain('Good')
    expect(readSshSignature(text).verify(NAMESPACE, digestsOf(MESSAGE))).toBe(true)
  })

  it('are good for what they were made for, and over either hash', async () => {
    await using dir = await tempDir('sshsig')
    const key = await makeKey(dir.path, { kind: 'ed25519' })
    const git = readSshSignature(await signWithOpenssh(dir, key, 'git'))
    expect(git.verify(NAMESPACE, digestsOf(MESSAGE))).toBe(false)
    expect(git.verify('git', digestsOf(MESSAGE))).toBe(true)
    const sha256 = readSshSignature(await signWithOpenssh(dir, key, NAMESPACE, ['-O', 'hashalg=sha256']))
    expect(sha256.verify(NAMESPACE, digestsOf(MESSAGE))).toBe(true)
    expect(sha256.verify(NAMESPACE, { ...digestsOf(MESSAGE), sha256: '0'.repeat(64) })).toBe(false)
  })

  it('are one, whole, and nothing besides', async () => {
    await using dir = await tempDir('sshsig')
    const text = await signWithSsh(
      await signerOf(await makeKey(dir.path, { kind: 'ed25519' })),
      NAMESPACE,
      digestsOf(MESSAGE),
    )
    const lines = text.trimEnd().split('\n')
    for (const bad of [
      '',
      text + text,
      `x\n${text}`,
      `${text}x`,
      lines.toSpliced(1, 1).join('\n'),
      lines.toSpliced(2, 0, '').join('\n'),
      text.replace('SSH SIGNATURE', 'PGP SIGNATURE'),
      text.replace('U1NIU0lH', 'U1NIU0lI'),
    ])
      expect(() => readSshSignature(bad)).toThrow(/not a signature|not what SSH writes/)
  })

  it('are not good with any of their bits changed', async () => {
    await using dir = await tempDir('sshsig')
    const text = await signWithSsh(
      await signerOf(await makeKey(dir.path, { kind: 'ed25519' })),
      NAMESPACE,
      digestsOf(MESSAGE),
    )
    const [begin = '', ...rest] = text.trimEnd().split('\n')
    const bytes = Buffer.from(rest.slice(0, -1).join(''), 'base64')
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 4
      const lines = changed.toString('base64').match(/.{1,70}/g) ?? []
      expect({ at, good: isGood([begin, ...lines, rest.at(-1), ''].join('\n')) }).toEqual({ at, good: false })
    }
  })
})

function isGood(text: string): boolean {
  try {
    return readSshSignature(text).verify(NAMESPACE, digestsOf(MESSAGE))
  } catch {
    return false
  }
}

function digestsOf(text: string): SignedDigests {
  const hex = (algorithm: string): string => createHash(algorithm).update(text).digest('hex')
  return { sha256: hex('sha256'), sha512: hex('sha512') }
}

async function signerOf({ file }: TestKey) {
  return (await readKeyFile(file, undefined)).unlock(() => Promise.reject(new Error('nobody is asked')))
}

async function checkWithOpenssh(dir: TempDir, key: TestKey, signature: string, message = MESSAGE): Promise<string> {
  await writeFile(dir.join('allowed'), `me@test namespaces="${NAMESPACE}" ${key.type} ${key.base64}\n`)
  await writeFile(dir.join('signature'), signature)
  await writeFile(dir.join('message'), message)
  const args = [
    '-Y',
    'verify',
    '-n',
    NAMESPACE,
    '-I',
    'me@test',
    '-f',
    dir.join('allowed'),
    '-s',
    dir.join('signature'),
  ]
  const { stdout } = await run('sh', ['-c', '"$0" "$@" < "$MESSAGE"', have.paths.openssh, ...args], {
    env: { ...process.env, MESSAGE: dir.join('message') },
  })
  return stdout
}

async function signWithOpenssh(
  dir: TempDir,
  { file }: TestKey,
  namespace: string,
  more: readonly string[] = [],
): Promise<string> {
  await writeFile(dir.join('to-sign'), MESSAGE)
  await run('rm', ['-f', dir.join('to-sign.sig')])
  await run(have.paths.openssh, ['-Y', 'sign', ...more, '-n', namespace, '-f', file, dir.join('to-sign')])
  return readFile(dir.join('to-sign.sig'), 'utf8')
}
