import type { ListedFile, ProjectPage } from './simple-page.ts'

/** 1.1 promises `size` and `versions` (PEP 700), which every page here has. */
const META = { 'api-version': '1.1' }

/** The project's page as PEP 691 with the fields of PEP 700, 658 and 714. */
export function projectJson({ name, versions, files, filesUrl }: ProjectPage): string {
  return JSON.stringify({ meta: META, name, versions, files: files.map((file) => fileJson(file, filesUrl)) })
}

/** The list of all projects, never null when there are none. */
export function projectListJson(names: readonly string[]): string {
  return JSON.stringify({ meta: META, projects: names.map((name) => ({ name })) })
}

function fileJson(file: ListedFile, filesUrl: string): object {
  const metadata = file.metadataSha256 === undefined ? false : { sha256: file.metadataSha256 }
  return {
    filename: file.filename,
    url: filesUrl + encodeURIComponent(file.filename),
    hashes: { sha256: file.sha256 },
    ...(file.requiresPython === undefined ? {} : { 'requires-python': file.requiresPython }),
    size: file.sizeBytes,
    'upload-time': file.uploadTime,
    yanked: file.yanked,
    'core-metadata': metadata,
    // Its name before PEP 714, which pip 22.3 to 23.0 and uv still look for.
    'data-dist-info-metadata': metadata,
  }
}
