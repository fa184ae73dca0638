import { z } from 'zod'

import { findDistribution } from '../../protocols/python/filename.ts'
import { identityOf } from '../../protocols/python/identity.ts'
import type { Transfer } from '../../src/client/transfer.ts'
import { askDepot } from '../../src/client/ask-depot.ts'

/** What a depot has of a file. */
export interface FileHere {
  readonly sha256: string
  /** ISO 8601. */
  readonly uploadTime: string
}

/** What a depot has of a project. */
export interface ProjectHere {
  /** By file name. */
  readonly files: ReadonlyMap<string, FileHere>
  /** File names by what installers take them for. */
  readonly spellings: ReadonlyMap<string, string>
  /** Its status, when it is one in which a project takes no files (PEP 792). */
  readonly closed: 'archived' | 'quarantined' | undefined
}

/** Tells what a depot has of a project; each is asked for once. */
export function projectsHere(transfer: Transfer): (project: string) => Promise<ProjectHere> {
  const asked = new Map<string, Promise<ProjectHere>>()
  return (project) => {
    const known = asked.get(project) ?? projectHere(transfer, project)
    asked.set(project, known)
    return known
  }
}

async function projectHere(transfer: Transfer, project: string): Promise<ProjectHere> {
  const path = `/python/simple/${encodeURIComponent(project)}/` as const
  const page = await askDepot(transfer, { path, accept: 'application/vnd.pypi.simple.v1+json' }, PAGE)
  const files = (page?.files ?? []).map(
    ({ filename, hashes, 'upload-time': uploadTime }) => [filename, { sha256: hashes.sha256, uploadTime }] as const,
  )
  const spellings = files.flatMap(([filename]) => {
    const distribution = findDistribution(filename)
    return distribution === undefined ? [] : [[identityOf(distribution), filename] as const]
  })
  return { files: new Map(files), spellings: new Map(spellings), closed: page?.['project-status'].status }
}

const PAGE = z.object({
  files: z.array(
    z.object({ filename: z.string(), hashes: z.object({ sha256: z.string() }), 'upload-time': z.string() }),
  ),
  'project-status': z.object({ status: z.enum(['archived', 'quarantined']).optional().catch(undefined) }),
})
