import { z } from 'zod'

import type { Transfer } from '../src/client/transfer.ts'
import { askDepot } from './import-ask.ts'

/** What a depot has of a file. */
export interface FileHere {
  readonly sha256: string
  /** ISO 8601. */
  readonly uploadTime: string
}

/** What a depot has of a project, by file name; asked once for each project. */
export function projectsHere(transfer: Transfer): (project: string) => Promise<ReadonlyMap<string, FileHere>> {
  const asked = new Map<string, Promise<ReadonlyMap<string, FileHere>>>()
  return (project) => {
    const known = asked.get(project) ?? projectHere(transfer, project)
    asked.set(project, known)
    return known
  }
}

/** Where a file is sent to, below the depot's URL. */
export function filePath(project: string, filename: string): `/python/simple/${string}` {
  return `/python/simple/${encodeURIComponent(project)}/${encodeURIComponent(filename)}`
}

async function projectHere(transfer: Transfer, project: string): Promise<ReadonlyMap<string, FileHere>> {
  const path = `/python/simple/${encodeURIComponent(project)}/` as const
  const page = await askDepot(transfer, { path, accept: 'application/vnd.pypi.simple.v1+json' }, PAGE)
  const files = page?.files ?? []
  return new Map(files.map((file) => [file.filename, { sha256: file.hashes.sha256, uploadTime: file['upload-time'] }]))
}

const PAGE = z.object({
  files: z.array(
    z.object({ filename: z.string(), hashes: z.object({ sha256: z.string() }), 'upload-time': z.string() }),
  ),
})
