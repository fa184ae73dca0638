import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'

import { z } from 'zod'

const DESCRIPTOR = z.object({ mediaType: z.string(), digest: z.string(), size: z.number() })
const INDEX = z.object({
  schemaVersion: z.literal(2),
  manifests: z.tuple([DESCRIPTOR.extend({ annotations: z.record(z.string(), z.string()) })]),
})
const MANIFEST = z.object({ schemaVersion: z.literal(2), config: DESCRIPTOR, layers: z.array(DESCRIPTOR).min(1) })
const CONFIG = z.object({
  architecture: z.string(),
  os: z.literal('linux'),
  created: z.iso.datetime(),
  config: z.object({
    User: z.string(),
    Env: z.array(z.string()),
    Entrypoint: z.array(z.string()),
    Cmd: z.array(z.string()),
    ExposedPorts: z.record(z.string(), z.object({})),
    Volumes: z.record(z.string(), z.object({})),
    StopSignal: z.string(),
    Labels: z.record(z.string(), z.string()),
  }),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(z.string()) }),
})
const DOCKER = z.tuple([z.object({ Config: z.string(), RepoTags: z.array(z.string()), Layers: z.array(z.string()) })])

export interface OciImage {
  readonly index: z.infer<typeof INDEX>
  readonly manifest: z.infer<typeof MANIFEST>
  readonly config: z.infer<typeof CONFIG>
  /** What `docker load` of old reads. */
  readonly docker: z.infer<typeof DOCKER>[0]
  /** Uncompressed, from the lowest. */
  readonly layers: readonly Buffer[]
}

/** Read an unpacked image layout as the specification says. @throws Error when a blob is not what its descriptor says */
export async function readImage(layout: string): Promise<OciImage> {
  const document = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(path.join(layout, name), 'utf8')) as unknown
  z.object({ imageLayoutVersion: z.literal('1.0.0') }).parse(await document('oci-layout'))
  const index = INDEX.parse(await document('index.json'))
  const manifest = MANIFEST.parse(JSON.parse((await blob(layout, index.manifests[0])).toString()))
  const config = CONFIG.parse(JSON.parse((await blob(layout, manifest.config)).toString()))
  const packed = await Promise.all(manifest.layers.map((layer) => blob(layout, layer)))
  const [docker] = DOCKER.parse(await document('manifest.json'))
  return { index, manifest, config, docker, layers: packed.map((bytes) => gunzipSync(bytes)) }
}

/** Lay the layers over one another, with their owners and modes. */
export async function unpackImage(layout: string, { manifest }: OciImage, root: string): Promise<void> {
  for (const { digest } of manifest.layers) {
    const file = path.join(layout, 'blobs', digest.replace(':', '/'))
    await promisify(execFile)('tar', [
      '--extract',
      '--gzip',
      '--same-owner',
      '--same-permissions',
      '--file',
      file,
      '--directory',
      root,
    ])
  }
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function blob(layout: string, { digest, size }: z.infer<typeof DESCRIPTOR>): Promise<Buffer> {
  const bytes = await readFile(path.join(layout, 'blobs', digest.replace(':', '/')))
  if (sha256(bytes) !== digest || bytes.length !== size) throw new Error(`the blob ${digest} has other bytes`)
  return bytes
}
