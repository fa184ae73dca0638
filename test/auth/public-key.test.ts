import { spawnSync } from 'node:child_process'
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import fc from 'fast-check'
import sshpk from 'sshpk'
import { describe, expect, it } from 'vitest'

import { parsePublicKey, parsePublicKeyBlob } from '../../auth/public-key.ts'
import { writeString } from '../../auth/ssh-wire.ts'
import { DepotError, hasCode } from '../../src/errors.ts'
import { cpuMs } from '../helpers/cpu-ms.ts'
import { describeWith, have } from '../helpers/have.ts'
import { KEY_KINDS, makeKey, type KeyKind } from '../helpers/ssh-keys.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const ED25519 = 'AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'
const RUNS = { numRuns: 500, verbose: 1 }

const ALGORITHMS: Readonly<Record<KeyKind, readonly string[]>> = {
  ed25519: ['EdDSA', 'Ed25519'],
  'ecdsa-256': ['ES256'],
  'ecdsa-384': ['ES384'],
  'ecdsa-521': ['ES512'],
  'rsa-2048': ['RS512', 'RS256'],
  'rsa-3072': ['RS512', 'RS256'],
  'rsa-4096': ['RS512', 'RS256'],
}

describeWith('openssh', 'public keys made by ssh-keygen', () => {
  it.each(Object.keys(KEY_KINDS) as KeyKind[])('%s is read as ssh-keygen and sshpk read it', async (kind) => {
    await using directory = await tempDir('keys')
    const { type, base64, fingerprint } = await makeKey(directory.path, { kind })
    const read = parsePublicKey(type, base64)
    expect(read).toMatchObject({ type, fingerprint, algorithms: ALGORITHMS[kind] })
    const other = sshpk.parseKey(`${type} ${base64}`, 'ssh')
    expect(read.key.equals(createPublicKey(other.toString('pkcs8')))).toBe(true)
    expect(parsePublicKeyBlob(read.blob)).toEqual(read)
  })

  it('refuses an RSA key of 1024 bits, and says what to make', async () => {
    await using directory = await tempDir('keys')
    const { type, base64 } = await makeKey(directory.path, { kind: 'rsa-1024' })
    expect(reasonOf(type, base64)).toBe(
      'ssh-rsa of 1024 bits is refused, 2048 are needed; make one with: ssh-keygen -t ed25519',
    )
  })

  it('refuses a certificate by its type', async () => {
    await using directory = await tempDir('keys')
    const key = await makeKey(directory.path, { kind: 'ed25519' })
    spawnSync(have.paths.openssh, ['-q', '-s', key.file, '-I', 'me', '-n', 'me', `${key.file}.pub`])
    const [type = '', base64 = ''] = (await readFile(`${key.file}-cert.pub`, 'utf8')).split(' ')
    expect(reasonOf(type, base64)).toBe(
      'ssh-ed25519-cert-v01@openssh.com is a certificate: give the plain public key that it is made of',
    )
  })
})

describe('a public key', () => {
  it('has the fingerprint that ssh-keygen prints', () => {
    expect(parsePublicKey('ssh-ed25519', ED25519).fingerprint).toBe(
      'SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg',
    )
  })

  it.each([
    ['ssh-dss', 'ssh-dss keys are refused; make one with: ssh-keygen -t ed25519'],
    [
      'sk-ssh-ed25519@openssh.com',
      'sk-ssh-ed25519@openssh.com is refused: security keys cannot sign these logins; make one with: ssh-keygen -t ed25519',
    ],
    [
      'sk-ecdsa-sha2-nistp256@openssh.com',
      'sk-ecdsa-sha2-nistp256@openssh.com is refused: security keys cannot sign these logins; make one with: ssh-keygen -t ed25519',
    ],
    ['__proto__', 'a key has no SSH key type; make one with: ssh-keygen -t ed25519'],
    ['constructor', 'constructor keys are refused; make one with: ssh-keygen -t ed25519'],
    ['SSH-ED25519', 'SSH-ED25519 keys are refused; make one with: ssh-keygen -t ed25519'],
    ['a b\u001B[31m', 'a key has no SSH key type; make one with: ssh-keygen -t ed25519'],
    ['', 'a key has no SSH key type; make one with: ssh-keygen -t ed25519'],
  ])('of type %j is refused with its reason', (type, reason) => {
    expect(reasonOf(type, ED25519)).toBe(reason)
    const inner = Buffer.concat([writeString(Buffer.from(type)), Buffer.from(ED25519, 'base64').subarray(15)])
    expect(() => parsePublicKeyBlob(inner)).toThrow(reason)
  })

  it.each([
    ['base64 of the other alphabet', ED25519.replace('/', '_')],
    ['padding that is not needed', `${ED25519}=`],
    [
      'bits that the last digit does not need',
      'AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG5AB==',
    ],
    ['white space', `${ED25519.slice(0, 20)}\n${ED25519.slice(20)}`],
    ['nothing', ''],
  ])('is refused with %s', (_what, base64) => {
    expect(reasonOf('ssh-ed25519', base64)).toMatch(/^ssh-ed25519 has a key /)
  })

  it('is refused with another type inside than its line says', () => {
    expect(reasonOf('ssh-rsa', ED25519)).toBe('ssh-rsa has a key of another type inside')
    expect(reasonOf('ecdsa-sha2-nistp256', ED25519)).toBe('ecdsa-sha2-nistp256 has a key of another type inside')
  })

  it('is refused when it is not exactly one point of its own curve', () => {
    const point = ecPoint('P-256')
    const nistp256 = 'ecdsa-sha2-nistp256'
    expect(reasonOf(nistp256, blob(nistp256, 'nistp256', point))).toBe('')
    const offCurve = Buffer.from(point)
    offCurve[64] = (offCurve[64] ?? 0) ^ 1
    const compressed = Buffer.concat([Buffer.of(2), point.subarray(1, 33)])
    const hybrid = Buffer.concat([Buffer.of(6), point.subarray(1)])
    for (const wrong of [offCurve, compressed, hybrid, Buffer.of(0), Buffer.alloc(0), ecPoint('P-384')])
      expect(reasonOf(nistp256, blob(nistp256, 'nistp256', wrong))).toMatch(/^ecdsa-sha2-nistp256 has a key/)
    expect(reasonOf(nistp256, blob(nistp256, 'nistp384', point))).toMatch(/^ecdsa-sha2-nistp256 has a key/)
    expect(reasonOf(nistp256, blob(nistp256, 'nistp256', point, Buffer.of(1)))).toMatch(
      /^ecdsa-sha2-nistp256 has a key/,
    )
  })

  it('is refused with RSA numbers that are padded, negative, even or too large', () => {
    const n = Buffer.from(rsaModulus())
    const e = Buffer.of(1, 0, 1)
    const signed = Buffer.concat([Buffer.of(0), n])
    expect(reasonOf('ssh-rsa', blob('ssh-rsa', e, signed))).toBe('')
    const even = Buffer.from(signed)
    even[even.length - 1] = 0
    const wrong = [
      [e, n],
      [e, Buffer.concat([Buffer.of(0), signed])],
      [e, even],
      [e, Buffer.alloc(0)],
      [Buffer.of(0, 1, 0, 1), signed],
      [Buffer.of(1), signed],
      [Buffer.of(2), signed],
      [Buffer.alloc(9, 3), signed],
      [signed, e],
      [e, signed, e],
      [e],
    ]
    for (const fields of wrong) expect(reasonOf('ssh-rsa', blob('ssh-rsa', ...fields))).toMatch(/^ssh-rsa /)
    expect(reasonOf('ssh-rsa', blob('ssh-rsa', e, Buffer.alloc(2049, 0x7f)))).toMatch(/16384 are the most/)
  })

  it('is refused with bytes after it, and when it is cut anywhere', () => {
    const key = Buffer.from(ED25519, 'base64')
    for (let length = 0; length < key.length; length++)
      expect(reasonOf('ssh-ed25519', key.subarray(0, length).toString('base64'))).toMatch(/^ssh-ed25519 has a key/)
    for (const more of [Buffer.of(0), Buffer.alloc(4), Buffer.alloc(3)])
      expect(reasonOf('ssh-ed25519', Buffer.concat([key, more]).toString('base64'))).toMatch(/^ssh-ed25519 has a key/)
  })

  it('of a megabyte is refused by its length alone', () => {
    const huge = 'A'.repeat(1_000_000)
    const refuse = (): void => {
      expect(reasonOf('ssh-rsa', huge)).toBe('a key is longer than any SSH public key')
      expect(reasonOf(huge, ED25519)).toBe('a key is longer than any SSH public key')
      expect(() => parsePublicKeyBlob(Buffer.alloc(1_000_000))).toThrow(DepotError)
    }
    expect(cpuMs(refuse)).toBeLessThan(1000)
  })

  it('is either refused as a DepotError or one that sshpk reads alike, whatever is changed in it', () => {
    const good = Buffer.from(ED25519, 'base64')
    const edits = fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), { maxLength: 3 })
    fc.assert(
      fc.property(edits, (changes) => {
        const changed = Buffer.from(good)
        for (const [at, value] of changes) changed[at] = value
        const read = readOrRefused('ssh-ed25519', changed.toString('base64'))
        if (read === undefined) return
        expect(read.fingerprint).toBe(sshpk.parseKey(changed, 'rfc4253').fingerprint('sha256').toString())
        expect(read.fingerprint).toBe(`SHA256:${createHash('sha256').update(changed).digest('base64').slice(0, 43)}`)
      }),
      RUNS,
    )
  })

  it('is refused as a DepotError for any text at all', () => {
    const type = fc.oneof(fc.string(), fc.constantFrom('ssh-rsa', 'ssh-ed25519', 'ecdsa-sha2-nistp521'))
    const base64 = fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' }))
    fc.assert(
      fc.property(type, base64, (...line) => {
        expect(readOrRefused(...line)).toBe(undefined)
      }),
      RUNS,
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => parsePublicKeyBlob(bytes)).toThrow(DepotError)
      }),
      RUNS,
    )
  })
})

function readOrRefused(type: string, base64: string): ReturnType<typeof parsePublicKey> | undefined {
  try {
    return parsePublicKey(type, base64)
  } catch (error) {
    if (hasCode(error, 'INVALID_NAME')) return undefined
    throw error
  }
}

/** Why a key is refused; empty when it is not. */
function reasonOf(type: string, base64: string): string {
  try {
    parsePublicKey(type, base64)
    return ''
  } catch (error) {
    if (hasCode(error, 'INVALID_NAME')) return error.message
    throw error
  }
}

function blob(...fields: readonly (string | Uint8Array)[]): string {
  return Buffer.concat(fields.map((field) => writeString(Buffer.from(field)))).toString('base64')
}

function ecPoint(namedCurve: string): Buffer {
  const { x = '', y = '' } = generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' })
  return Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
}

function rsaModulus(): Buffer {
  const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
  return Buffer.from(n, 'base64url')
}
