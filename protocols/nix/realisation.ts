import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { parseJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalRealisation, NamedRealisation } from '../../src/local-store.ts'
import { OUTPUT_CLASS } from './derivation-name.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import { goodSignatures } from './signing.ts'
import { parseBaseName, parseStorePath } from './store-path.ts'

/** An output of a derivation whose path is only known once it was built. */
export type OutputId =
  /** Nix up to 2.34: by a hash of the derivation that leaves out what only names things, `sha256:<64 hex>!<output>`. */
  | { readonly form: 'hash'; readonly id: string }
  /** Since 2.35: by the derivation itself. */
  | { readonly form: 'derivation'; readonly derivation: string; readonly output: string }

const HASH_ID = new RegExp(`^sha256:[0-9a-f]{64}!${OUTPUT_CLASS}$`)
const OUTPUT = new RegExp(`^${OUTPUT_CLASS}$`)
const SUFFIX = '.doi'

/** `sha256:<64 hex>!<output>.doi`. @throws DepotError `INVALID_NAME` */
export function parseHashId(segment: string): OutputId {
  const id = segment.slice(0, -SUFFIX.length)
  if (segment.endsWith(SUFFIX) && HASH_ID.test(id)) return { form: 'hash', id }
  throw new DepotError('INVALID_NAME', 'a realisation is named sha256:<64 hexadecimal digits>!<output>.doi')
}

/** `<output>.doi`: the output's name. @throws DepotError `INVALID_NAME` */
export function parseOutputName(segment: string): string {
  const output = segment.slice(0, -SUFFIX.length)
  if (segment.endsWith(SUFFIX) && OUTPUT.test(output)) return output
  throw new DepotError('INVALID_NAME', 'an entry of a build trace is named <derivation>/<output>.doi')
}

/** `<derivation>/<output>` of `build-trace-v2`, parsed. */
export function derivationOutput(parsed: { readonly derivation: string; readonly output: string }): OutputId {
  return { form: 'derivation', ...parsed }
}

/** The key of its record; those of the two forms never meet. */
export function outputKey(output: OutputId): string {
  return output.form === 'hash' ? output.id : `${output.derivation}/${output.output}`
}

const baseName = z.string().refine((text) => parseBaseName(text) !== undefined, 'not <hash>-<name> of a store path')
const SIGNATURE = /^[0-9A-Za-z._-]{1,256}:[A-Za-z0-9+/]{86}==$/
const signature = z.string().regex(SIGNATURE, 'not <key name>:<base64 of 64 bytes>')

const realisation = z.object({
  /** Base name of the path. */
  outPath: baseName,
  /** What the outputs it depends on were, by their ids; only Nix before 2.33 fills it. */
  dependentRealisations: z.record(z.string().regex(HASH_ID), baseName),
  /** `name:base64`. */
  signatures: z.array(signature),
})

/** Where a cache has it, below its address (nix: libstore/binary-cache-store.cc). */
export function realisationPath(output: OutputId): string {
  return output.form === 'hash'
    ? `realisations/${output.id}${SUFFIX}`
    : `build-trace-v2/${output.derivation}/${output.output}${SUFFIX}`
}

/** What an output turned out to be, and who says so. */
export type Realisation = z.infer<typeof realisation>

/** What is known of one output. */
export interface KnownRealisation {
  readonly output: OutputId
  readonly known: Realisation
}

export function parseStoredRealisation(record: { readonly value: string }): Realisation {
  return realisation.parse(JSON.parse(record.value))
}

/** What a row of the database of a local store is of, if it is of a form that clients know. */
export function localOutputId({ derivation, output }: NamedRealisation): OutputId | undefined {
  if (!OUTPUT.test(output)) return undefined
  const id = `${derivation}!${output}`
  if (HASH_ID.test(id)) return { form: 'hash', id }
  return parseBaseName(derivation) === undefined ? undefined : { form: 'derivation', derivation, output }
}

/** What the database of a local store says, if it is of the form that clients know; signatures that are not are left out. */
export function parseLocalRealisation({ outPath, signatures, dependents }: LocalRealisation): Realisation | undefined {
  const dependentRealisations = Object.fromEntries(
    Object.entries(dependents).map(([id, storePath]) => [id, parseStorePath(storePath)?.baseName]),
  )
  return realisation.safeParse({
    outPath: parseStorePath(outPath)?.baseName,
    dependentRealisations,
    signatures: (signatures ?? '').split(' ').filter((text) => SIGNATURE.test(text)),
  }).data
}

const structured = z
  .object({ keyName: z.string(), sig: z.string() })
  .transform(({ keyName, sig }) => `${keyName}:${sig}`)

const uploaded = z.object({
  id: z.string().optional(),
  outPath: realisation.shape.outPath,
  dependentRealisations: realisation.shape.dependentRealisations.default({}),
  signatures: z
    .array(z.union([z.string(), structured]).pipe(signature))
    .max(LIMITS.realisationSignaturesMax)
    .default([]),
})

/**
 * Parse what a client says that an output is.
 *
 * @throws DepotError `BAD_REQUEST` when it is not of its form, or of another output
 */
export function parseRealisation(text: string, output: OutputId): Realisation {
  const { id, ...said } = parseAs(uploaded, parseJson(text), 'the realisation')
  if (output.form === 'hash' && id !== output.id)
    throw new DepotError('BAD_REQUEST', 'the id of the realisation is not that of the URL')
  return said
}

/** The JSON that clients read: with the signatures that are trusted now, and our own. */
export function printRealisation(output: OutputId, known: Realisation, rules: Rules): string {
  const signed = fingerprint(output, known)
  const own = rules.signingKeys.map((key) => key.sign(signed))
  const signatures = [...new Set([...trustedSignatures(output, known, rules), ...own])]
  return realisationJson(output, { ...known, signatures })
}

/** The same with the signatures that it has. */
export function realisationJson(output: OutputId, known: Realisation): string {
  const { outPath, dependentRealisations, signatures } = known
  if (output.form === 'hash') return JSON.stringify({ dependentRealisations, id: output.id, outPath, signatures })
  return JSON.stringify({ outPath, signatures: signatures.map(structuredSignature) })
}

/** The signatures that trusted keys made of it, one of each. */
export function trustedSignatures(
  output: OutputId,
  said: Realisation,
  { trustedKeys }: Pick<Rules, 'trustedKeys'>,
): readonly string[] {
  return goodSignatures(fingerprint(output, said), said.signatures, trustedKeys)
}

type Rules = Pick<NarinfoRules, 'signingKeys' | 'trustedKeys'>

function structuredSignature(text: string): { readonly keyName: string; readonly sig: string } {
  const colon = text.indexOf(':')
  return { keyName: text.slice(0, colon), sig: text.slice(colon + 1) }
}

/** The text that is signed: the JSON without signatures, its keys in order (nix: libstore/realisation.cc, fingerprint). */
function fingerprint(output: OutputId, { outPath, dependentRealisations }: Realisation): string {
  if (output.form === 'derivation')
    return JSON.stringify({ key: { drvPath: output.derivation, outputName: output.output }, value: { outPath } })
  const dependents = Object.entries(dependentRealisations).sort(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify({ dependentRealisations: Object.fromEntries(dependents), id: output.id, outPath })
}
