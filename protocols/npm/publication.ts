import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { isPolluting } from './package-name.ts'
import { parseManifest, type Manifest } from './manifest.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { tarballVersion } from './tarball-name.ts'
import { parseTag } from './version.ts'

/** What the body of a publish says, once it agrees with itself. */
export interface Publication {
  readonly version: string
  readonly manifest: Manifest
  /** Tags to point at this version; `latest` when the body names none. */
  readonly tags: readonly string[]
  /** Top-level fields that describe the package and that this registry has no other use for. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Size of the tarball as the attachment declares it. */
  readonly length: number | undefined
  /** The sigstore bundle of `--provenance`, JSON text. */
  readonly attestation: string | undefined
}

/**
 * Check the body of `PUT /{name}` against the URL and itself: one name, one version, tags that name it, one tarball.
 *
 * @param file key of the attachment whose data was taken out of `document`
 * @throws DepotError `BAD_REQUEST`, `INVALID_NAME`, `CONTENT_MISMATCH` (400)
 */
export function parsePublication(name: string, document: unknown, file: string): Publication {
  requireFew(document)
  const body = parseAs(bodySchema, document, 'the publish')
  requireSame(name, body.name, 'name')
  if (body._id !== undefined) requireSame(name, body._id, '_id')
  const manifest = onlyManifest(name, body.versions)
  const { version } = manifest
  if (tarballVersion(name, file) !== version) {
    throw disagree(`the attachment is called ${file.slice(0, 500)}, which is not the tarball of ${name}@${version}`)
  }
  return {
    version,
    manifest,
    tags: parseTags(body['dist-tags'], version),
    fields: descriptiveFields(body),
    ...parseAttachments(body._attachments, file, `${name}-${version}.sigstore`),
  }
}

const bodySchema = z.looseObject({
  _id: z.string().optional(),
  name: z.string(),
  'dist-tags': z.record(z.string(), z.string()).optional(),
  versions: z.record(z.string(), z.unknown()),
  _attachments: z.record(z.string(), z.looseObject({ data: z.string(), length: z.number().int().min(0).optional() })),
})

type Body = z.infer<typeof bodySchema>

const FEW: Readonly<Record<string, number>> = {
  versions: 1,
  'dist-tags': LIMITS.npmTagsPerPublishMax,
  _attachments: LIMITS.npmTagsPerPublishMax,
}

/** Before a schema looks at each: a hundred thousand of them hold everybody up. */
function requireFew(document: unknown): void {
  if (typeof document !== 'object' || document === null) return
  for (const [field, table] of Object.entries(document)) {
    const most = Object.hasOwn(FEW, field) ? FEW[field] : undefined
    if (most === undefined || typeof table !== 'object' || table === null) continue
    if (Object.keys(table).length <= most) continue
    if (most === 1) throw new DepotError('BAD_REQUEST', 'a publish has exactly one version')
    throw new DepotError('BAD_REQUEST', `the publish has too many ${field}`)
  }
}

function onlyManifest(name: string, versions: Body['versions']): Manifest {
  const [entry, ...more] = Object.entries(versions)
  if (entry === undefined || more.length > 0) throw new DepotError('BAD_REQUEST', 'a publish has exactly one version')
  const manifest = parseManifest(entry[1])
  requireSame(name, manifest.name, "manifest's name")
  if (entry[0] !== manifest.version)
    throw disagree(`the version ${entry[0].slice(0, 300)} holds the manifest of another`)
  return manifest
}

function parseTags(tags: Body['dist-tags'], version: string): readonly string[] {
  const entries = Object.entries(tags ?? {})
  for (const [tag, target] of entries) {
    if (parseTag(tag) === undefined) throw new DepotError('INVALID_NAME', `${tag.slice(0, 300)} cannot be a dist-tag`)
    if (target !== version) throw disagree(`the dist-tag ${tag} does not name the version that is published`)
  }
  return entries.length === 0 ? ['latest'] : entries.map(([tag]) => tag)
}

function parseAttachments(
  attachments: Body['_attachments'],
  file: string,
  bundle: string,
): Pick<Publication, 'length' | 'attestation'> {
  const tarball = Object.hasOwn(attachments, file) ? attachments[file] : undefined
  // A key given twice, or data that is no string: what was taken is then not what the document says.
  if (tarball?.data !== '') throw new DepotError('BAD_REQUEST', 'the attachment has no data of its own')
  const other = Object.keys(attachments).find((key) => key !== file && key !== bundle)
  if (other !== undefined) {
    throw new DepotError(
      'BAD_REQUEST',
      `the attachment ${other.slice(0, 300)} is neither the tarball nor its provenance`,
    )
  }
  const attestation = Object.hasOwn(attachments, bundle) ? attachments[bundle]?.data : undefined
  return { length: tarball.length, attestation }
}

/** Structure of the document, which is rendered afresh, and what only the request is about. */
const STRUCTURE: ReadonlySet<string> = new Set(
  '_id _rev _attachments name dist-tags versions time modified access users'.split(' '),
)

function descriptiveFields(body: Body): Record<string, unknown> {
  const fields = Object.entries(body).filter(
    ([key]) => !STRUCTURE.has(key) && !key.startsWith('_') && !isPolluting(key),
  )
  return Object.fromEntries(fields)
}

function requireSame(expected: string, actual: string, what: string): void {
  if (actual !== expected) throw disagree(`the URL names ${expected}, but the ${what} is ${actual.slice(0, 500)}`)
}

function disagree(message: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', message, { status: 400 })
}
