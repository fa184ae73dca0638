import { API_VERSION, type ListedFile, type ListForm, type ProjectPage } from './simple-page.ts'

/**
 * The project's page as PEP 503 with the attributes of PEP 592, 658, 714, 740, those that uv reads for size and time, and PEP 792's
 * status. Beside each link stands what a person wants to know; clients read the links only.
 */
export function projectHtml({ name, status, files, filesUrl }: ProjectPage): string {
  const meta = [
    ['pypi:project-status', status?.status ?? 'active'],
    ...(status?.reason === undefined ? [] : [['pypi:project-status-reason', status.reason]]),
  ].map(([property = '', content = '']) => `<meta name="${property}" content="${escapeHtml(content)}">`)
  const about =
    status === undefined ? [] : [`<p>${escapeHtml([status.status, status.reason ?? []].flat().join(': '))}</p>`]
  const { head, tail } = page(`Links for ${name}`, meta)
  return [head, ...about, ...files.map((file) => `${fileLink(file, filesUrl)} ${remark(file)}<br>`), tail].join('\n')
}

const LIST_PAGE = page('Simple index')

/** The list of all projects. */
export const LIST_HTML: ListForm = {
  head: `${LIST_PAGE.head}\n`,
  between: '\n',
  tail: `\n${LIST_PAGE.tail}`,
  item: (name) => `<a href="${escapeHtml(encodeURIComponent(name))}/">${escapeHtml(name)}</a><br>`,
}

function page(title: string, meta: readonly string[] = []): { readonly head: string; readonly tail: string } {
  const head = [
    '<!DOCTYPE html>',
    '<html>',
    '<head>',
    `<meta name="pypi:repository-version" content="${API_VERSION}">`,
    ...meta,
    `<title>${escapeHtml(title)}</title>`,
    '</head>',
    '<body>',
    `<h1>${escapeHtml(title)}</h1>`,
  ]
  return { head: head.join('\n'), tail: '</body>\n</html>\n' }
}

function fileLink(file: ListedFile, filesUrl: string): string {
  const metadata = file.metadataSha256 === undefined ? undefined : `sha256=${file.metadataSha256}`
  const attributes: readonly (readonly [string, string | undefined])[] = [
    ['href', `${filesUrl}${encodeURIComponent(file.filename)}#sha256=${file.sha256}`],
    ['data-requires-python', file.requiresPython],
    ['data-core-metadata', metadata],
    ['data-dist-info-metadata', metadata],
    ['data-size', String(file.sizeBytes)],
    ['data-upload-time', file.uploadTime],
    ['data-yanked', file.yanked === false ? undefined : file.yanked === true ? '' : file.yanked],
    ['data-provenance', file.provenanceUrl],
  ]
  const spelled = attributes.flatMap(([name, value]) =>
    value === undefined ? [] : [` ${name}="${escapeHtml(value)}"`],
  )
  return `<a${spelled.join('')}>${escapeHtml(file.filename)}</a>`
}

function remark({ sizeBytes, uploadTime, yanked }: ListedFile): string {
  const words = [`${sizeBytes} bytes`, uploadTime.slice(0, 10)]
  if (yanked !== false) words.push(yanked === true || yanked === '' ? 'yanked' : `yanked: ${yanked}`)
  return escapeHtml(words.join(', '))
}

const ENTITIES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES.get(character) ?? '')
}
