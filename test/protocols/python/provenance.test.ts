import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { checkAttestations, checkProvenance, provenanceOf } from '../../../protocols/python/provenance.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { attestation, type Attested } from '../../helpers/attestation.ts'

const FILE: Attested = { filename: 'foo-1.0-py3-none-any.whl', sha256: 'a'.repeat(64) }

function refusal(field: string): string {
  try {
    checkAttestations(field, FILE)
  } catch (error) {
    if (error instanceof DepotError && error.status === 400) return error.message
    throw error
  }
  throw new Error('not refused')
}

describe('attestations', () => {
  it('are taken when each is about the file that they came with', () => {
    const one = attestation(FILE)
    expect(() => checkAttestations(JSON.stringify([one]), FILE)).not.toThrow()
    const publish = attestation(FILE, { predicateType: 'https://docs.pypi.org/attestations/publish/v1' })
    expect(() => checkAttestations(JSON.stringify([one, publish]), FILE)).not.toThrow()
  })

  it.each<[string, Partial<Attested>]>([
    ['name', { filename: 'bar-1.0-py3-none-any.whl' }],
    ['hash', { sha256: 'b'.repeat(64) }],
  ])('are refused when one has another %s', (_, other) => {
    const field = JSON.stringify([attestation(FILE), attestation({ ...FILE, ...other })])
    expect(refusal(field)).toContain('another file')
  })

  it.each<[string, string]>([
    ['nothing', ''],
    ['no list', '{}'],
    ['an empty list', '[]'],
    ['a cut one', JSON.stringify([attestation(FILE)]).slice(0, -9)],
    ['another version', JSON.stringify([{ ...attestation(FILE), version: 2 }])],
    ['no envelope', JSON.stringify([{ ...attestation(FILE), envelope: null }])],
    ['no transparency entry', JSON.stringify([attestation(FILE, {}, { transparency_entries: [] })])],
    ['a certificate that is no base64', JSON.stringify([attestation(FILE, {}, { certificate: '<script>' })])],
    ['another kind of statement', JSON.stringify([attestation(FILE, { _type: 'x' })])],
    ['no subject', JSON.stringify([attestation(FILE, { subject: [] })])],
    [
      'two subjects',
      JSON.stringify([
        attestation(FILE, { subject: [1, 2].map(() => ({ name: FILE.filename, digest: { sha256: FILE.sha256 } })) }),
      ]),
    ],
    ['a polluting key', `[{"__proto__":{"polluted":1},${JSON.stringify(attestation(FILE)).slice(1)}]`],
    ['brackets without end', '['.repeat(100_000)],
    ['too many', JSON.stringify(Array.from({ length: LIMITS.pythonAttestationsMax + 1 }, () => attestation(FILE)))],
  ])('are refused when they are %s', (_, field) => {
    expect(refusal(field)).toContain('attestation')
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('stay byte for byte what they were', () => {
    const field = `[ ${JSON.stringify(attestation(FILE), null, 3)} ]`
    expect(provenanceOf(field)).toContain(field)
    expect(JSON.parse(provenanceOf(field))).toMatchObject({
      version: 1,
      attestation_bundles: [{ publisher: { kind: 'Depot' }, attestations: [attestation(FILE)] }],
    })
  })
})

describe('a provenance', () => {
  it('is taken as PyPI serves it, for its file alone', () => {
    const filename = 'pypi_attestations-0.0.19.tar.gz'
    const text = readFileSync(new URL(`../../fixtures/${filename}.provenance`, import.meta.url), 'utf8')
    const sha256 = '9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3'
    expect(() => checkProvenance(text, { filename, sha256 })).not.toThrow()
    expect(() => checkProvenance(text, { filename, sha256: 'a'.repeat(64) })).toThrow('another file')
    expect(() => checkProvenance(text, { filename: 'pypi_attestations-0.0.20.tar.gz', sha256 })).toThrow('another file')
  })

  it('around the attestations of an upload is one too', () => {
    expect(() => checkProvenance(provenanceOf(JSON.stringify([attestation(FILE)])), FILE)).not.toThrow()
  })
})
