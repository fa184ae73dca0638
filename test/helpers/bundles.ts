import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import type { BundledFile, Manifest } from '../../src/bundle/manifest.ts'
import { findFaults } from '../../src/bundle/verify.ts'
import { digestManifest, writeTarBundle } from '../../src/bundle/write-tar.ts'
import { readTarBundle, type BundleContent } from '../../src/bundle/read-tar.ts'

export type Tree = Readonly<Record<string, string | Uint8Array>>

/** A bundle in memory. */
export interface TestBundle {
  readonly manifest: Manifest
  readonly bytes: Buffer
}

/** A manifest that carries these files. */
export function manifestOfTree(tree: Tree, created = '2026-01-31T12:00:00Z'): Manifest {
  const files = Object.entries(tree).map(([at, content]): BundledFile => {
    const bytes = Buffer.from(content)
    return { path: at, sha256: sha256Of(bytes), sizeBytes: bytes.length, carried: true }
  })
  return {
    created,
    files: files.toSorted((one, other) => Buffer.compare(Buffer.from(one.path), Buffer.from(other.path))),
  }
}

/** The tar form of these files. */
export async function bundleOf(
  tree: Tree,
  sign?: (manifest: Manifest) => string,
  manifest: Manifest = manifestOfTree(tree),
): Promise<TestBundle> {
  const contents = new Map(Object.values(tree).map((content) => [sha256Of(Buffer.from(content)), Buffer.from(content)]))
  const pieces = writeTarBundle({
    manifest,
    digests: digestManifest(manifest),
    signature: sign?.(manifest),
    async *pieces({ sha256 }) {
      yield contents.get(sha256) ?? Buffer.alloc(0)
    },
  })
  return { manifest, bytes: Buffer.concat(await Array.fromAsync(pieces, (piece) => Buffer.from(piece))) }
}

/** Read a bundle from memory, in pieces of this size. */
export function readBytes(bytes: Uint8Array, pieceBytes = 4096): Promise<BundleContent> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }
  return readTarBundle(pieces())
}

/** What is wrong with a bundle in memory, whatever it is. */
export async function faultsOf(bytes: Uint8Array): Promise<readonly string[]> {
  try {
    return await findFaults(await readBytes(bytes), () => {})
  } catch (error) {
    return [String(error)]
  }
}

/** Write files below a folder. */
export async function writeTree(root: string, tree: Tree): Promise<void> {
  for (const [at, content] of Object.entries(tree)) {
    await mkdir(path.dirname(path.join(root, at)), { recursive: true })
    await writeFile(path.join(root, at), content)
  }
}

/** The files below a folder, those whose names begin with a dot too, with their contents in base64. */
export async function readTree(root: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter((entry) => !entry.isDirectory())
  const read = files.map(async (entry) => {
    const file = path.join(entry.parentPath, entry.name)
    return [path.relative(root, file), (await readFile(file)).toString('base64')] as const
  })
  return Object.fromEntries((await Promise.all(read)).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
