import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { parseJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'

/** A statement about how a version was made, and what signs it. */
export interface Provenance {
  /** What kind of statement: `https://slsa.dev/provenance/v1`. */
  readonly predicateType: string
  /** The sigstore bundle. */
  readonly bundle: unknown
}

/** It is an address, and stands in every packument. */
const PREDICATE_TYPE_LENGTH_MAX = 1024
const bundleSchema = z.looseObject({ dsseEnvelope: z.looseObject({ payload: z.base64() }) })
const statementSchema = z.looseObject({ predicateType: z.string().max(PREDICATE_TYPE_LENGTH_MAX) })

/**
 * The bundle that `npm publish --provenance` sends along. Whoever installs the package checks its signature; here it only has to be one.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function parseProvenance(text: string): Provenance {
  const bundle = parseAs(bundleSchema, parseJson(text), 'the provenance')
  const statement = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8')
  const { predicateType } = parseAs(statementSchema, parseStatement(statement), 'the statement of the provenance')
  return { predicateType, bundle }
}

function parseStatement(text: string): unknown {
  try {
    return parseJson(text)
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', 'the provenance is no bundle of a statement in JSON', { cause })
  }
}
