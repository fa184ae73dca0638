import type { BuiltFile } from './wheel.ts'

export interface FormFile {
  readonly name: string
  readonly filename: string
  readonly bytes: Uint8Array
  /** uv sends none. */
  readonly contentType?: string
}

export interface Form {
  readonly contentType: string
  readonly body: Buffer
}

export const BOUNDARY = 'a-boundary-of-the-tests'

/** A multipart form, part by part and byte by byte, so that a test can bend each of them. */
export function form(fields: readonly (readonly [string, string])[], files: readonly FormFile[]): Form {
  const parts = [
    ...fields.map(
      ([name, value]) => [`Content-Disposition: form-data; name="${name}"\r\n\r\n`, Buffer.from(value)] as const,
    ),
    ...files.map(({ name, filename, bytes, contentType }) => {
      const type = contentType === undefined ? '' : `\r\nContent-Type: ${contentType}`
      return [`Content-Disposition: form-data; name="${name}"; filename="${filename}"${type}\r\n\r\n`, bytes] as const
    }),
  ]
  const pieces = parts.flatMap(([headers, content]) => [
    Buffer.from(`--${BOUNDARY}\r\n${headers}`),
    content,
    Buffer.from('\r\n'),
  ])
  return {
    contentType: `multipart/form-data; boundary=${BOUNDARY}`,
    body: Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]),
  }
}

/** The form that `uv publish` sends for a file; `changes` replaces fields, or drops those set to undefined. */
export function uploadForm(file: BuiltFile, changes: Readonly<Record<string, string | undefined>> = {}): Form {
  return form(uploadFields(file, changes), [{ name: 'content', filename: file.filename, bytes: file.bytes }])
}

export function uploadFields(
  file: BuiltFile,
  changes: Readonly<Record<string, string | undefined>> = {},
): [string, string][] {
  const fields: Record<string, string | undefined> = {
    ':action': 'file_upload',
    sha256_digest: file.sha256,
    protocol_version: '1',
    metadata_version: '2.1',
    name: /^Name: (.*)$/m.exec(file.metadata)?.[1],
    version: /^Version: (.*)$/m.exec(file.metadata)?.[1],
    filetype: file.filename.endsWith('.whl') ? 'bdist_wheel' : 'sdist',
    pyversion: file.filename.endsWith('.whl') ? 'py3' : 'source',
    ...changes,
  }
  return Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined)
}

/** POST a form where twine and uv would. */
export function postForm(base: string, { contentType, body }: Form, path = '/python/legacy/'): Promise<Response> {
  return fetch(base + path, {
    method: 'POST',
    headers: { 'Content-Type': contentType },
    body: Uint8Array.from(body),
    redirect: 'manual',
  })
}

/** Upload a file as twine does; returns the status. */
export async function uploadFile(base: string, file: BuiltFile): Promise<number> {
  const response = await postForm(base, uploadForm(file))
  await response.arrayBuffer()
  return response.status
}

/** Whether a depot serves a file of that project as it was uploaded. */
export async function servesFile(base: string, project: string, file: BuiltFile): Promise<boolean> {
  const response = await fetch(`${base}/python/files/${project}/${file.filename}`)
  return Buffer.from(await response.arrayBuffer()).equals(file.bytes)
}
