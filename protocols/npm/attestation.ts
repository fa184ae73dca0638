import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { parseJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'

/** A statement about how a version was made, and what signs it. */
export interface Provenance {
  /** What kind of statement: `https://slsa.dev/provenance/v1`. */
  readonly predicateType: string
  /** What it is about. */
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha512?: string | undefined } }[]
  /** The sigstore bundle. */
  readonly bundle: unknown
}

/** It is an address, and stands in every packument. */
const PREDICATE_TYPE_LENGTH_MAX = 1024
const bundleSchema = z.looseObject({ dsseEnvelope: z.looseObject({ payload: z.base64() }) })
const answerSchema = z.looseObject({
  attestations: z
    .array(z.looseObject({ predicateType: z.string(), bundle: z.unknown() }))
    .min(1)
    .max(LIMITS.npmAttestationsMax),
})
const statementSchema = z.object({
  predicateType: z.string().max(PREDICATE_TYPE_LENGTH_MAX),
  subject: z.array(z.object({ name: z.string(), digest: z.object({ sha512: z.string().optional() }) })).default([]),
})

/**
 * The bundle that `npm publish --provenance` sends along. Whoever installs the package checks its signature; here it only has to be one.
 *
 * @throws DepotError `BAD_REQUEST`, `TOO_LARGE`
 */
export function parseProvenance(text: string): Provenance {
  if (text.length > LIMITS.npmProvenanceLengthMax)
    throw new DepotError('TOO_LARGE', `the provenance has more than ${LIMITS.npmProvenanceLengthMax} characters`)
  return parseBundle(parseJson(text))
}

function parseBundle(value: unknown): Provenance {
  const bundle = parseAs(bundleSchema, value, 'the provenance')
  const statement = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8')
  return { ...parseAs(statementSchema, parseStatement(statement), 'the statement of the provenance'), bundle }
}

/**
 * What a registry's `/-/npm/v1/attestations/{name}@{version}` answers: one statement of whoever made the version, one of the registry
 * that published it. Whoever installs the package checks their signatures.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function parseAttestations(text: string): readonly Provenance[] {
  const { attestations } = parseAs(answerSchema, parseJson(text), 'the attestations')
  return attestations.map(({ predicateType, bundle }) => {
    const provenance = parseBundle(bundle)
    if (provenance.predicateType === predicateType) return provenance
    throw new DepotError('BAD_REQUEST', 'an attestation is of another kind than the statement in it')
  })
}

/** A version, and the sha512 of its tarball as hex. */
export interface Subject {
  readonly name: string
  readonly version: string
  readonly sha512: string
}

/**
 * Hold a statement to being about the version that it came with, and nothing else: npm names that by its package URL (`npa.toPurl`)
 * and the sha512 of its tarball.
 *
 * @throws DepotError `CONTENT_MISMATCH` (400)
 */
export function requireSubject({ subject }: Provenance, { name, version, sha512 }: Subject): void {
  const url = `pkg:npm/${name.replace(/^@/, '%40')}@${version}`
  const [first, ...more] = subject
  if (more.length === 0 && first?.name === url && first.digest.sha512?.toLowerCase() === sha512) return
  const message = `the provenance is not about ${url} with the sha512 of this tarball`
  throw new DepotError('CONTENT_MISMATCH', message, { status: 400 })
}

function parseStatement(text: string): unknown {
  try {
    return parseJson(text)
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', 'the provenance is no bundle of a statement in JSON', { cause })
  }
}
