import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type Ask, readKeyFile } from '../../auth/key-file.ts'
import { DepotError } from '../../src/errors.ts'
import { describeWith } from '../helpers/have.ts'
import { makeKey } from '../helpers/ssh-keys.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const uid = process.getuid?.()
const SECRET = 'a very secret passphrase'
const wrong: Ask = () => Promise.resolve(SECRET)
const nobody: Ask = (prompt) => Promise.reject(new Error(`asked: ${prompt}`))

describeWith('openssh', 'a private key of ssh-keygen', () => {
  it.each(['OPENSSH', 'PEM', 'PKCS8'] as const)(
    'in %s is refused with a wrong passphrase, which is not repeated, and nothing is thrown afterwards',
    async (format) => {
      await using directory = await tempDir('keys')
      const form = format === 'OPENSSH' ? {} : { format }
      const key = await makeKey(directory.path, { kind: 'ecdsa-256', passphrase: 'another one', ...form })
      const file = await readKeyFile(key.file, uid)
      for (const ask of [wrong, () => Promise.resolve('')]) {
        const error = await file.unlock(ask).catch((thrown: unknown) => thrown)
        expect(error).toBeInstanceOf(DepotError)
        expect(error).toMatchObject({
          code: 'UNAUTHENTICATED',
          message: `${key.file}: wrong passphrase, or the file is damaged`,
        })
        expect((error as DepotError).cause).toBe(undefined)
      }
      await setTimeout(100)
    },
  )

  it('is refused when others may read or write it, unless they own it', async () => {
    await using directory = await tempDir('keys')
    const { file } = await makeKey(directory.path, { kind: 'ed25519' })
    for (const mode of [0o640, 0o604, 0o620, 0o601]) {
      await chmod(file, mode)
      await expect(readKeyFile(file, uid)).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: `${file} is open to others: close it with chmod 600, or make a new key`,
      })
      expect(await readKeyFile(file, (uid ?? 0) + 1)).toMatchObject({ file })
      expect(await readKeyFile(file, undefined)).toMatchObject({ file })
    }
    await chmod(file, 0o400)
    expect(await readKeyFile(file, uid)).toMatchObject({ file })
  })

  it('of RSA with 1024 bits is refused by its size before a passphrase is asked for', async () => {
    await using directory = await tempDir('keys')
    const { file } = await makeKey(directory.path, { kind: 'rsa-1024', passphrase: SECRET })
    await expect(readKeyFile(file, uid)).rejects.toThrow(`${file}: ssh-rsa of 1024 bits is refused`)
    const old = await makeKey(directory.path, { kind: 'rsa-1024', format: 'PEM' }, 'old')
    await expect((await readKeyFile(old.file, uid)).unlock(nobody)).rejects.toMatchObject({
      code: 'INVALID_NAME',
      message: `${old.file}: ssh-rsa of 1024 bits is refused, 2048 are needed; make one with: ssh-keygen -t ed25519`,
    })
  })

  it('of DSA is refused by its type', async () => {
    await using directory = await tempDir('keys')
    const file = directory.join('dsa')
    await writePrivately(file, dsaKey())
    await expect((await readKeyFile(file, uid)).unlock(nobody)).rejects.toThrow(`${file}: dsa keys are refused`)
  })

  it('is refused when its public part is that of another key', async () => {
    await using directory = await tempDir('keys')
    const [mine, other] = [
      await makeKey(directory.path, { kind: 'ed25519' }, 'mine'),
      await makeKey(directory.path, { kind: 'ed25519' }, 'other'),
    ]
    const bytes = Buffer.from(body(await readFile(mine.file, 'utf8')), 'base64')
    const [from, to] = [mine, other].map(({ base64 }) => Buffer.from(base64, 'base64'))
    to?.copy(bytes, bytes.indexOf(from ?? ''))
    await writePrivately(mine.file, armored(bytes))
    await expect((await readKeyFile(mine.file, uid)).unlock(nobody)).rejects.toThrow('is not a private key')
  })

  it('cut or changed anywhere is refused clearly or still good', async () => {
    await using directory = await tempDir('keys')
    const { file } = await makeKey(directory.path, { kind: 'ed25519' })
    const good = Buffer.from(body(await readFile(file, 'utf8')), 'base64')
    const changes = fc.record({
      at: fc.nat({ max: good.length - 1 }),
      value: fc.nat({ max: 255 }),
      length: fc.oneof(fc.constant(good.length), fc.nat({ max: good.length })),
    })
    await fc.assert(
      fc.asyncProperty(changes, async ({ at, value, length }) => {
        const changed = Buffer.from(good)
        changed[at] = value
        await writePrivately(file, armored(changed.subarray(0, length)))
        await refusedOrGood(file)
      }),
      { numRuns: 200, verbose: 1 },
    )
  })
})

describe('a file that is no private key', () => {
  it.each([
    ['a public key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4 me'],
    ['empty', ''],
    ['PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n'],
    ['an armor with nothing in it', '-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n'],
    ['an armor with something else', armored(Buffer.from('openssh-key-v2\0 and more bytes'))],
    ['a large one', 'x'.repeat(70_000)],
  ])('is refused: %s', async (_what, text) => {
    await using directory = await tempDir('keys')
    const file = directory.join('key')
    await writePrivately(file, text)
    await expect(readKeyFile(file, uid)).rejects.toMatchObject({
      code: 'INVALID_NAME',
      message: expect.stringContaining(file),
    })
  })

  it('is refused as PEM with nothing in it when it is opened', async () => {
    await using directory = await tempDir('keys')
    const file = directory.join('key')
    await writePrivately(file, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')
    await expect((await readKeyFile(file, uid)).unlock(nobody)).rejects.toThrow(
      `${file} is not a private key that OpenSSH or OpenSSL writes`,
    )
  })

  it.each(['secp256k1', 'ed448', 'x25519', 'rsa-pss'])('is refused by its type: %s', async (type) => {
    await using directory = await tempDir('keys')
    const file = directory.join('key')
    await writePrivately(file, pemOf(type))
    await expect((await readKeyFile(file, uid)).unlock(nobody)).rejects.toThrow(
      new RegExp(`^${file}: (?:ec )?${type} keys are refused; make one with`),
    )
  })

  it('is refused when it is not there, is a directory, or a pipe that nobody writes to', async () => {
    await using directory = await tempDir('keys')
    const [none, folder, pipe] = [directory.join('none'), directory.join('folder'), directory.join('pipe')]
    await mkdir(folder, { mode: 0o700 })
    execFileSync('sh', ['-c', 'mkfifo -m 600 "$0"', pipe])
    await expect(readKeyFile(none, uid)).rejects.toMatchObject({ code: 'NOT_FOUND', message: `${none} is not there` })
    await expect(readKeyFile(folder, uid)).rejects.toMatchObject({ code: 'INVALID_NAME' })
    await expect(readKeyFile(pipe, uid)).rejects.toMatchObject({ code: 'INVALID_NAME' })
  })

  it('is refused when it holds a security key, before anybody is asked', async () => {
    await using directory = await tempDir('keys')
    const file = directory.join('id_ed25519_sk')
    await writePrivately(file, armored(opensshFile('sk-ssh-ed25519@openssh.com')))
    await expect(readKeyFile(file, uid)).rejects.toThrow(
      `${file}: sk-ssh-ed25519@openssh.com is refused: security keys cannot sign these logins`,
    )
  })
})

async function refusedOrGood(file: string): Promise<void> {
  try {
    await (await readKeyFile(file, uid)).unlock(() => Promise.resolve('x'))
  } catch (error) {
    expect(error).toBeInstanceOf(DepotError)
  }
}

async function writePrivately(file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 })
}

function body(armoredText: string): string {
  return armoredText.replaceAll(/-----[^-]+-----|\n/g, '')
}

function armored(bytes: Uint8Array): string {
  const base64 = Buffer.from(bytes).toString('base64').replaceAll(/.{70}/g, '$&\n')
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${base64}\n-----END OPENSSH PRIVATE KEY-----\n`
}

/** The head of a file whose private part is encrypted. */
function opensshFile(type: string): Uint8Array {
  const publicKey = Buffer.concat([string(type), string('k'.repeat(32)), string('ssh:')])
  const head = ['aes256-ctr', 'bcrypt', 'options'].map(string)
  const parts = [...head, Buffer.of(0, 0, 0, 1), string(publicKey.toString('latin1')), string('x'.repeat(64))]
  return Buffer.concat([Buffer.from('openssh-key-v1\0'), ...parts])
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function pemOf(type: string): string {
  const as = { type: 'pkcs8', format: 'pem' } as const
  if (type === 'ed448') return generateKeyPairSync('ed448').privateKey.export(as).toString()
  if (type === 'x25519') return generateKeyPairSync('x25519').privateKey.export(as).toString()
  if (type === 'rsa-pss')
    return generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey.export(as).toString()
  return generateKeyPairSync('ec', { namedCurve: type }).privateKey.export(as).toString()
}

function dsaKey(): string {
  const { privateKey } = generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
