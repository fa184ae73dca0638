import type { Distribution } from '../filename.ts'

/** Where a file is sent to, below the depot's URL. */
export function filePath({
  project,
  filename,
}: Pick<Distribution, 'project' | 'filename'>): `/python/simple/${string}` {
  return `/python/simple/${encodeURIComponent(project)}/${encodeURIComponent(filename)}`
}

/** Where what another index says of it is sent to. */
export function entryPath(distribution: Pick<Distribution, 'project' | 'filename'>): `/python/simple/${string}` {
  return `${filePath(distribution)}.json`
}

/** Where its provenance is sent to. */
export function provenancePath({ project, version, filename }: Distribution): `/python/integrity/${string}` {
  const names = [project, version.text, filename].map(encodeURIComponent)
  return `/python/integrity/${names.join('/')}/provenance`
}
