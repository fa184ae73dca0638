import type { ListedFile, ProjectPage } from './simple-page.ts'

/** The project's page as PEP 503 with the attributes of PEP 592, 658, 714, and those that uv reads for size and time. */
export function projectHtml({ name, files, filesUrl }: ProjectPage): string {
  return page(
    `Links for ${name}`,
    files.map((file) => fileLink(file, filesUrl)),
  )
}

/** The list of all projects. */
export function projectListHtml(names: readonly string[]): string {
  return page(
    'Simple index',
    names.map((name) => `<a href="${escapeHtml(encodeURIComponent(name))}/">${escapeHtml(name)}</a>`),
  )
}

/** The HTML form has no list of versions, so it promises 1.0 and no more (PEP 629, PEP 700). */
function page(title: string, links: readonly string[]): string {
  return [
    '<!DOCTYPE html>',
    '<html>',
    '<head>',
    '<meta name="pypi:repository-version" content="1.0">',
    `<title>${escapeHtml(title)}</title>`,
    '</head>',
    '<body>',
    `<h1>${escapeHtml(title)}</h1>`,
    ...links.map((link) => `${link}<br>`),
    '</body>',
    '</html>',
    '',
  ].join('\n')
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
  ]
  const spelled = attributes.flatMap(([name, value]) =>
    value === undefined ? [] : [` ${name}="${escapeHtml(value)}"`],
  )
  return `<a${spelled.join('')}>${escapeHtml(file.filename)}</a>`
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
