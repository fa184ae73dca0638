import { generateKeyPairSync, verify } from 'node:crypto'
import { writeFile } from 'node:fs/promises'

import { expect, it } from 'vitest'

import { readKeyFile } from '../../auth/key-file.ts'
import { writeString, writeUint32 } from '../../auth/ssh-wire.ts'
import { tempDir } from '../helpers/temp-dir.ts'

/** A reader that takes the secret for a number (RFC 4251 §5) makes the first ones shorter, and the last ones longer. */
const BEGINNINGS = {
  'a zero that no number has': (seed: Buffer) => seed.readUInt16BE() < 0x80,
  'a zero': (seed: Buffer) => seed.readUInt16BE() < 0x100 && seed.readUInt16BE() >= 0x80,
  'the highest bit': (seed: Buffer) => seed.readInt8() < 0,
}

it.each(Object.entries(BEGINNINGS))('an Ed25519 key whose secret begins with %s signs', async (_, begins) => {
  const { publicKey, seed, x } = keyWhoseSecret(begins)
  await using directory = await tempDir('keys')
  const file = directory.join('id_ed25519')
  await writeFile(file, opensshFile(seed, x), { mode: 0o600 })

  const read = await readKeyFile(file, process.getuid?.())
  const signer = await read.unlock(() => Promise.reject(new Error('asked')))
  const signature = await signer.sign('EdDSA', Buffer.from('login'))
  expect(verify(null, Buffer.from('login'), publicKey, signature ?? Buffer.alloc(0))).toBe(true)
})

function keyWhoseSecret(begins: (seed: Buffer) => boolean) {
  for (;;) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const { d = '', x = '' } = privateKey.export({ format: 'jwk' })
    const seed = Buffer.from(d, 'base64url')
    if (begins(seed)) return { publicKey, seed, x: Buffer.from(x, 'base64url') }
  }
}

/** OpenSSH's own format without a passphrase (PROTOCOL.key). */
function opensshFile(seed: Buffer, x: Buffer): string {
  const type = Buffer.from('ssh-ed25519')
  const secret = [
    writeUint32(7),
    writeUint32(7),
    ...[type, x, Buffer.concat([seed, x]), Buffer.from('comment')].map(writeString),
  ]
  const unpadded = Buffer.concat(secret)
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (unpadded.length % 8)) % 8))
  const bytes = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[Buffer.from('none'), Buffer.from('none'), Buffer.alloc(0)].map(writeString),
    writeUint32(1),
    writeString(Buffer.concat([type, x].map(writeString))),
    writeString(Buffer.concat([unpadded, padding])),
  ])
  const lines = bytes.toString('base64').replaceAll(/.{1,70}/g, '$&\n')
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}-----END OPENSSH PRIVATE KEY-----\n`
}
