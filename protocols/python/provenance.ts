import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { parseJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'
import { brokenArchive } from './archive-error.ts'
import { findDistribution } from './filename.ts'
import { identityOf } from './identity.ts'
import type { PythonFile } from './records.ts'

/** The media type of the integrity API (PEP 740). */
export const INTEGRITY_TYPE = 'application/vnd.pypi.integrity.v1+json'

const base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/, 'not base64')

/** PEP 740, "Attestation objects": what does not belong to it is left for whoever verifies. */
const attestationSchema = z.object({
  version: z.literal(1),
  verification_material: z.object({ certificate: base64, transparency_entries: z.array(z.looseObject({})).min(1) }),
  envelope: z.object({ statement: base64, signature: base64 }),
})

const attestationsSchema = z.array(attestationSchema).min(1).max(LIMITS.pythonAttestationsMax)

/** An in-toto statement (v1) about one file. */
const statementSchema = z.object({
  _type: z.literal('https://in-toto.io/Statement/v1'),
  subject: z.array(z.object({ name: z.string(), digest: z.record(z.string(), z.string()) })).length(1),
  predicateType: z.string().min(1),
})

/** PEP 740, "Provenance objects": attestations by who published them, in whichever words. */
const provenanceSchema = z.object({
  version: z.literal(1),
  attestation_bundles: z
    .array(z.object({ publisher: z.looseObject({ kind: z.string() }), attestations: attestationsSchema }))
    .min(1)
    .max(LIMITS.pythonAttestationsMax),
})

/** The file that something is attested of. */
export type AttestedFile = Pick<PythonFile, 'filename' | 'sha256'>

/**
 * Hold the `attestations` field of an upload against the file that came with it. Whether the signatures are good is for those who
 * install it to find out: their policies and roots of trust differ.
 *
 * @throws DepotError `BAD_REQUEST` when the field is not of its form, `CONTENT_MISMATCH` (400) when it is about something else
 */
export function checkAttestations(field: string, file: AttestedFile): void {
  for (const attestation of parseAs(attestationsSchema, jsonIn(field, 'attestations'), 'attestations'))
    checkSubject(attestation, file)
}

/**
 * Hold a file's provenance, as another index serves it, against the file.
 *
 * @throws DepotError `BAD_REQUEST` when it is not of its form, `CONTENT_MISMATCH` (400) when it is about something else
 */
export function checkProvenance(document: string, file: AttestedFile): void {
  const { attestation_bundles: bundles } = parseAs(provenanceSchema, jsonIn(document, 'provenance'), 'provenance')
  for (const { attestations } of bundles) for (const attestation of attestations) checkSubject(attestation, file)
}

/** Whether a text looks like a file's provenance at all, as far as whoever only carries it has to know. */
export function isProvenance(text: string): boolean {
  try {
    return z.object({ attestation_bundles: z.array(z.unknown()) }).safeParse(JSON.parse(text)).success
  } catch {
    return false
  }
}

function checkSubject({ envelope }: z.infer<typeof attestationSchema>, file: AttestedFile): void {
  const text = Buffer.from(envelope.statement, 'base64').toString('utf8')
  const statement = parseAs(statementSchema, jsonIn(text, 'the statement of an attestation'), 'an attestation')
  const [subject] = statement.subject
  if (subject === undefined || !isSameName(subject.name, file.filename) || subject.digest['sha256'] !== file.sha256)
    throw brokenArchive('an attestation is about another file than the one that came with it')
}

/** Publishers name what they built, and some indexes spell that in a way of their own. */
function isSameName(one: string, other: string): boolean {
  if (one === other) return true
  const [first, second] = [findDistribution(one), findDistribution(other)]
  if (first === undefined || second === undefined || first.project !== second.project) return false
  return identityOf(first) === identityOf(second)
}

function jsonIn(text: string, what: string): unknown {
  try {
    return parseJson(text)
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', `${what}: this is not JSON, or too deep`, { cause })
  }
}

/**
 * The provenance of a file (PEP 740, "Provenance objects") around the attestations as they came, byte for byte. Who published it is
 * known to this depot alone and means nothing elsewhere, so the publisher is the depot.
 */
export function provenanceOf(attestations: string): string {
  return `{"version":1,"attestation_bundles":[{"publisher":{"kind":"Depot","claims":null},"attestations":${attestations}}]}`
}
