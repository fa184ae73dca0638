import { parseDistribution } from './filename.ts'
import type { ListedFile, ProjectPage } from './simple-page.ts'

/**
 * The part of PyPI's own JSON page of a project that an index knows, indented, because people read it too. pip-tools takes hashes from
 * it rather than download every file, when `filesUrl` makes the same addresses as the simple page does.
 */
export function releaseJson({ name, status, versions, files, filesUrl }: ProjectPage): string {
  const releases = new Map<string, object[]>(versions.map((version) => [version, []]))
  for (const file of files) releases.get(file.version)?.push(releaseFile(file, filesUrl))
  const latest = files.findLast(({ yanked }) => yanked === false) ?? files.at(-1)
  const info = {
    name,
    version: latest?.version ?? versions.at(-1),
    requires_python: latest?.requiresPython ?? null,
    'project-status': status ?? { status: 'active' },
  }
  return `${JSON.stringify({ info, releases: Object.fromEntries(releases) }, null, 2)}\n`
}

function releaseFile(file: ListedFile, filesUrl: string): object {
  const { yanked } = file
  return {
    filename: file.filename,
    url: filesUrl + encodeURIComponent(file.filename),
    packagetype: parseDistribution(file.filename).kind === 'wheel' ? 'bdist_wheel' : 'sdist',
    digests: { sha256: file.sha256 },
    size: file.sizeBytes,
    upload_time_iso_8601: file.uploadTime,
    requires_python: file.requiresPython ?? null,
    yanked: yanked !== false,
    yanked_reason: typeof yanked === 'string' ? yanked : null,
  }
}
