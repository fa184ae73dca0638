import type { Depot, StagedBlob } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { DepotRequest } from '../../src/protocol.ts'
import { brokenArchive } from './archive-error.ts'
import { parseDistribution, type Distribution } from './filename.ts'
import { type FormPart, readMultipart } from './multipart.ts'
import { normalizeProjectName, parseProjectName } from './project-name.ts'
import { checkAttestations, provenanceOf } from './provenance.ts'
import type { Arrived } from './store-file.ts'
import { compareVersions, parseVersion } from './version.ts'

/** An upload whose form has been read whole and agrees with itself. Disposing it leaves no trace. */
export type ReceivedUpload = Arrived & AsyncDisposable

/**
 * Read the form that twine, `uv publish` and poetry send: fields about the file, then the file itself as `content`. What the
 * file is, its own name and bytes say; the fields are only held against them.
 *
 * @throws DepotError `INVALID_NAME`, `BAD_REQUEST`, `CONTENT_MISMATCH` (400), `TOO_LARGE`, `BODY_TRUNCATED`, and `FORBIDDEN` before the
 * file's bytes are read, when the caller may not write that project
 */
export async function receiveUpload(depot: Depot, request: DepotRequest<unknown>): Promise<ReceivedUpload> {
  const form: FormFields = { values: new Map(), sizeBytes: 0 }
  let upload: ReceivedUpload | undefined
  const body = request.body(LIMITS.blobBytesMax + LIMITS.formBytesMax)
  try {
    for await (const part of readMultipart(body, request.headers.get('content-type'))) {
      if (part.name !== 'content') await readField(part, form)
      else if (upload === undefined) upload = await receiveContent(depot, request, part, form.values)
      else throw new DepotError('BAD_REQUEST', 'the form has more than one content')
    }
    if (upload === undefined) throw new DepotError('BAD_REQUEST', 'the form has no content: the file is missing')
    checkFields(form.values, upload.distribution)
    checkDigests(form.values, upload.staged)
    return { ...upload, provenance: provenanceIn(form.values, upload) }
  } catch (error) {
    await upload?.[Symbol.asyncDispose]()
    throw error
  }
}

/** What is used. Everything else, `gpg_signature` too, is accepted and ignored. */
const KNOWN = new Set([
  ':action',
  'protocol_version',
  'name',
  'version',
  'filetype',
  'sha256_digest',
  'md5_digest',
  'blake2_256_digest',
  'attestations',
])

interface FormFields {
  readonly values: Map<string, string>
  /** Of all fields so far, known or not. */
  sizeBytes: number
}

async function readField(part: FormPart, form: FormFields): Promise<void> {
  const known = KNOWN.has(part.name)
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  for await (const piece of part.body) {
    sizeBytes += piece.byteLength
    if (sizeBytes > LIMITS.formFieldBytesMax || form.sizeBytes + sizeBytes > LIMITS.formBytesMax) {
      throw new DepotError(
        'TOO_LARGE',
        `the fields of the form are too large: one may have ${LIMITS.formFieldBytesMax} bytes`,
      )
    }
    if (known) pieces.push(piece)
  }
  form.sizeBytes += sizeBytes
  if (!known) return
  if (form.values.has(part.name)) throw new DepotError('BAD_REQUEST', `the form has ${part.name} twice`)
  form.values.set(part.name, Buffer.concat(pieces).toString('utf8').trim())
}

async function receiveContent(
  depot: Depot,
  request: DepotRequest<unknown>,
  part: FormPart,
  fields: ReadonlyMap<string, string>,
): Promise<ReceivedUpload> {
  if (part.filename === undefined) throw new DepotError('BAD_REQUEST', 'content must be a file with a file name')
  const distribution = parseDistribution(part.filename)
  // The grammar of wheel names knows letters that no project's name may have.
  parseProjectName(distribution.project)
  request.authorize(distribution.project)
  const staged = await depot.stage(request.cache, part.body, {
    encoding: 'raw',
    hashes: fields.has('md5_digest') ? ['md5'] : [],
    hashers: fields.has('blake2_256_digest') ? { blake2b256: await blake2b256() } : {},
  })
  return { distribution, staged, [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose]() }
}

/** `node:crypto` has BLAKE2b with 512 bits only, and a digest of other length is not a part of it. */
async function blake2b256() {
  // Loaded when first used: most of a depot's life passes without an upload.
  const { createBLAKE2b } = await import('hash-wasm')
  const hasher = await createBLAKE2b(256)
  hasher.init()
  return { update: (bytes: Uint8Array) => hasher.update(bytes), digestHex: () => hasher.digest('hex') }
}

const FILETYPES = new Map([
  ['bdist_wheel', 'wheel'],
  ['sdist', 'sdist'],
])

function checkFields(fields: ReadonlyMap<string, string>, { kind, project, version }: Distribution): void {
  if (fields.get(':action') !== 'file_upload') {
    throw new DepotError('BAD_REQUEST', 'the only :action that is possible here is file_upload')
  }
  if ((fields.get('protocol_version') ?? '1') !== '1') {
    throw new DepotError('BAD_REQUEST', 'the only protocol_version that is possible here is 1')
  }
  const { name, version: stated, filetype } = Object.fromEntries(fields)
  if (filetype !== undefined && FILETYPES.get(filetype) !== kind) {
    throw brokenArchive(`the form's filetype does not belong to the file name, which is that of a ${kind}`)
  }
  if (name !== undefined && normalizeProjectName(name) !== project) {
    throw brokenArchive(`the form names another project than the file name, which is for ${project}`)
  }
  const statedVersion = stated === undefined ? version : parseVersion(stated)
  if (statedVersion === undefined || compareVersions(statedVersion, version) !== 0) {
    throw brokenArchive(`the form gives another version than the file name, which is for ${version.text}`)
  }
}

function provenanceIn(fields: ReadonlyMap<string, string>, { distribution, staged }: Arrived): string | undefined {
  const attestations = fields.get('attestations')
  if (attestations === undefined) return undefined
  checkAttestations(attestations, { filename: distribution.filename, sha256: staged.digest })
  return provenanceOf(attestations)
}

const DIGESTS = [
  ['sha256_digest', 'sha256'],
  ['md5_digest', 'md5'],
  ['blake2_256_digest', 'blake2b256'],
] as const

function checkDigests(fields: ReadonlyMap<string, string>, staged: StagedBlob): void {
  for (const [field, hash] of DIGESTS) {
    const declared = fields.get(field)
    if (declared === undefined) continue
    const actual = staged.hashes.get(hash)
    // A digest that arrives behind the content was not computed, and ignoring it would be a promise broken in silence.
    if (actual === undefined) throw new DepotError('BAD_REQUEST', `send ${field} before content`)
    if (declared.toLowerCase() !== actual)
      throw brokenArchive(`the content does not have the ${field} that the form gives`)
  }
}
