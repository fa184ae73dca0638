import { createHash } from 'node:crypto'

/** One layer as it lies in the image: compressed, and what it is uncompressed. */
export interface LayerBlob {
  /** `sha256:…` of the compressed bytes. */
  readonly digest: string
  readonly sizeBytes: number
  /** `sha256:…` of the tar archive itself. */
  readonly diffId: string
  /** What it holds, for `docker history`. */
  readonly title: string
}

export interface ImageOptions {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  /** As OCI and Debian name it: `amd64`, `arm64`. */
  readonly architecture: string
  /** RFC 3339. */
  readonly created: string
  /** Commit of the sources, when it is known. */
  readonly revision: string | undefined
}

/** A document of the image: its bytes, and how others refer to it. */
export interface Document {
  readonly bytes: Buffer
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number }
}

export const IMAGE_NAME = 'depot'

/** Who the depot runs as: a number, so that Kubernetes' `runAsNonRoot` can tell. */
export const IMAGE_USER = { name: 'depot', id: 10_001 } as const

const TYPE = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const

/** Where a blob lies in an image layout. */
export function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`
}

/** What the image is run with, and which layers it is made of (OCI image-spec 1.1, config.md). */
export function configDocument(options: ImageOptions, layers: readonly LayerBlob[]): Document {
  return document(TYPE.config, {
    created: options.created,
    architecture: options.architecture,
    os: 'linux',
    config: {
      User: `${IMAGE_USER.id}:${IMAGE_USER.id}`,
      ExposedPorts: { '8080/tcp': {} },
      Env: ['PATH=/usr/bin', 'HOME=/data', 'DEPOT_STORE_PATH=/data', 'DEPOT_LISTEN_ADDR=:8080'],
      Entrypoint: ['/usr/bin/depot'],
      Cmd: ['serve'],
      Volumes: { '/data': {} },
      WorkingDir: '/data',
      Labels: labels(options),
      StopSignal: 'SIGTERM',
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ title }) => ({ created: options.created, created_by: title })),
  })
}

/** Names the configuration and the layers, from the lowest (manifest.md). */
export function manifestDocument(config: Document, layers: readonly LayerBlob[]): Document {
  return document(TYPE.manifest, {
    schemaVersion: 2,
    mediaType: TYPE.manifest,
    config: config.descriptor,
    layers: layers.map(({ digest, sizeBytes }) => ({ mediaType: TYPE.layer, digest, size: sizeBytes })),
  })
}

/** The files beside the blobs: what OCI asks for (image-layout.md), and the list that `docker load` of before version 25 reads. */
export function layoutFiles(
  options: ImageOptions,
  manifest: Document,
  config: Document,
  layers: readonly LayerBlob[],
): ReadonlyMap<string, Buffer> {
  const name = `${options.name}:${options.version}`
  // Podman takes the first name, containerd and Docker the second.
  const annotations = {
    'org.opencontainers.image.ref.name': name,
    'io.containerd.image.name': `docker.io/library/${name}`,
  }
  const index = { schemaVersion: 2, mediaType: TYPE.index, manifests: [{ ...manifest.descriptor, annotations }] }
  const docker = {
    Config: blobPath(config.descriptor.digest),
    RepoTags: [name],
    Layers: layers.map(({ digest }) => blobPath(digest)),
  }
  return new Map([
    ['oci-layout', json({ imageLayoutVersion: '1.0.0' })],
    ['index.json', json(index)],
    ['manifest.json', json([docker])],
  ])
}

function labels(options: ImageOptions): Record<string, string> {
  const name = (key: string): string => `org.opencontainers.image.${key}`
  return {
    [name('title')]: options.name,
    [name('description')]: options.description,
    [name('version')]: options.version,
    [name('licenses')]: options.license,
    ...(options.revision === undefined ? {} : { [name('revision')]: options.revision }),
  }
}

function document(mediaType: string, content: object): Document {
  const bytes = json(content)
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  return { bytes, descriptor: { mediaType, digest, size: bytes.length } }
}

function json(content: object): Buffer {
  return Buffer.from(JSON.stringify(content))
}
