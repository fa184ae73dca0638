import { API_VERSION, type ListedFile, type ListForm, type ProjectPage } from './simple-page.ts'

const META = { 'api-version': API_VERSION }

/** The project's page as PEP 691 with the fields of PEP 592, 658, 700, 708, 714, 740 and 792. */
export function projectJson({ name, status, versions, files, filesUrl }: ProjectPage): string {
  return JSON.stringify({
    meta: META,
    name,
    'project-status': status ?? { status: 'active' },
    // PEP 708: what is here extends no other index and is extended by none, as far as the depot knows.
    'alternate-locations': [],
    versions,
    files: files.map((file) => fileJson(file, filesUrl)),
  })
}

/** The list of all projects, never null when there are none. */
export const LIST_JSON: ListForm = {
  head: `{"meta":${JSON.stringify(META)},"projects":[`,
  between: ',',
  tail: ']}',
  item: (name) => `{"name":${JSON.stringify(name)}}`,
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
    provenance: file.provenanceUrl ?? null,
  }
}
