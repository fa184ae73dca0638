import { createHash } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { hashMismatch, integrityOf, sha512Of } from '../../../protocols/npm/integrity.ts'

const bytes = Buffer.from('a tarball')
const hex = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')
const sri = (algorithm: string, of: Uint8Array = bytes) =>
  `${algorithm}-${createHash(algorithm).update(of).digest('base64')}`
const hashes = { sha1: hex('sha1'), sha256: hex('sha256'), sha512: hex('sha512') }

describe('declared hashes', () => {
  it('agree when they are of the bytes', () => {
    expect(hashMismatch(hashes, { shasum: hashes.sha1, integrity: sri('sha512') })).toBeUndefined()
    expect(hashMismatch(hashes, { shasum: hashes.sha1.toUpperCase() })).toBeUndefined()
    expect(hashMismatch(hashes, { integrity: `${sri('sha1')} ${sri('sha256')}\n${sri('sha512')}?opt` })).toBeUndefined()
    expect(hashMismatch(hashes, {})).toBeUndefined()
    expect(hashMismatch(hashes, { shasum: '', integrity: '' })).toBeUndefined()
  })

  it('agree when one of several for an algorithm does', () => {
    expect(hashMismatch(hashes, { integrity: `${sri('sha512', Buffer.from('x'))} ${sri('sha512')}` })).toBeUndefined()
  })

  it('disagree when any algorithm does, even a weaker one', () => {
    expect(hashMismatch(hashes, { integrity: `${sri('sha1', Buffer.from('x'))} ${sri('sha512')}` })).toMatch(
      /integrity/,
    )
    expect(hashMismatch(hashes, { integrity: sri('sha512', Buffer.from('x')) })).toMatch(/integrity/)
    expect(hashMismatch(hashes, { shasum: hex('sha256') })).toMatch(/shasum/)
  })

  it.each([' ', 'md5-1B2M2Y8AsgTpgAmY7PhCfg==', 'sha512-short', 'sha512', 'junk', 'sha1-'])(
    'cannot be %j',
    (integrity) => {
      expect(() => hashMismatch(hashes, { integrity })).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
    },
  )
})

it('writes the integrity of lockfiles, and reads it back', () => {
  expect(integrityOf(hashes)).toBe(sri('sha512'))
  expect(sha512Of(integrityOf(hashes))).toBe(hashes.sha512)
})
