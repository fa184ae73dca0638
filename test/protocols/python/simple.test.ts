import { describe, expect, it } from 'vitest'

import { projectHtml, projectListHtml } from '../../../protocols/python/simple-html.ts'
import { projectJson, projectListJson } from '../../../protocols/python/simple-json.ts'
import type { ListedFile, ProjectPage } from '../../../protocols/python/simple-page.ts'

const SHA = 'a'.repeat(64)
const META = 'b'.repeat(64)
const WHEEL: ListedFile = {
  filename: 'my_pkg_x-1.0+local-py3-none-any.whl',
  sha256: SHA,
  sizeBytes: 1234,
  requiresPython: '>=3.8,<4',
  uploadTime: '2026-01-31T12:00:00.123456Z',
  yanked: false,
  metadataSha256: META,
}
const SDIST: ListedFile = {
  ...WHEEL,
  filename: 'my_pkg_x-0.9.tar.gz',
  requiresPython: undefined,
  metadataSha256: undefined,
  yanked: 'broken "on" <Windows> & elsewhere',
}

function page(files: readonly ListedFile[]): ProjectPage {
  return { name: 'my-pkg-x', versions: ['0.9', '1.0+local'], files, filesUrl: '../../files/my-pkg-x/' }
}

describe('a project page in JSON', () => {
  const { meta, name, versions, files } = JSON.parse(projectJson(page([SDIST, WHEEL])))

  it('states 1.1 and keeps what that promises: versions, and a size for every file', () => {
    expect(meta).toEqual({ 'api-version': '1.1' })
    expect(name).toBe('my-pkg-x')
    expect(versions).toEqual(['0.9', '1.0+local'])
    expect(files.map((file: { size: number }) => file.size)).toEqual([1234, 1234])
  })

  it('lists every field of a wheel', () => {
    expect(files[1]).toEqual({
      filename: WHEEL.filename,
      url: '../../files/my-pkg-x/my_pkg_x-1.0%2Blocal-py3-none-any.whl',
      hashes: { sha256: SHA },
      'requires-python': '>=3.8,<4',
      size: 1234,
      'upload-time': '2026-01-31T12:00:00.123456Z',
      yanked: false,
      'core-metadata': { sha256: META },
      'data-dist-info-metadata': { sha256: META },
    })
  })

  it('promises no metadata where none is stored', () => {
    expect(files[0]).toMatchObject({ 'core-metadata': false, 'data-dist-info-metadata': false, yanked: SDIST.yanked })
    expect(files[0]).not.toHaveProperty('requires-python')
  })
})

describe('a project page in HTML', () => {
  const html = projectHtml(page([SDIST, WHEEL]))

  it('gives the hash of the file in the link and the hash of the metadata in the attributes', () => {
    expect(html).toContain(
      `<a href="../../files/my-pkg-x/my_pkg_x-1.0%2Blocal-py3-none-any.whl#sha256=${SHA}" data-requires-python="&gt;=3.8,&lt;4"` +
        ` data-core-metadata="sha256=${META}" data-dist-info-metadata="sha256=${META}" data-size="1234"` +
        ' data-upload-time="2026-01-31T12:00:00.123456Z">my_pkg_x-1.0+local-py3-none-any.whl</a>',
    )
  })

  it('escapes what a user wrote', () => {
    expect(html).toContain('data-yanked="broken &quot;on&quot; &lt;Windows&gt; &amp; elsewhere"')
    expect(html).not.toContain('<Windows>')
  })

  it('promises no metadata where none is stored, and marks a yank without a reason', () => {
    const bare = projectHtml(page([{ ...SDIST, yanked: true }]))
    expect(bare).not.toContain('metadata=')
    expect(bare).toContain('data-yanked=""')
    expect(projectHtml(page([WHEEL]))).not.toContain('data-yanked')
  })

  it('states version 1.0, because HTML has no list of versions', () => {
    expect(html).toContain('<meta name="pypi:repository-version" content="1.0">')
  })

  it.each([
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    '&lt;',
    '</a><a href="javascript:x">',
  ])('leaves no way out of its text and attributes for %s', (evil) => {
    const file = { ...WHEEL, filename: evil, requiresPython: evil, yanked: evil }
    const rendered = projectHtml({ ...page([file]), name: evil }) + projectListHtml([evil])
    const tags = rendered.match(/<[^>]*>/g) ?? []
    const names = new Set(tags.map((tag) => /^<\/?!?([a-z0-9]+)/i.exec(tag)?.[1]?.toLowerCase()))
    expect(names).toEqual(new Set(['a', 'body', 'br', 'doctype', 'h1', 'head', 'html', 'meta', 'title']))
    const attributes = tags.flatMap((tag) => tag.replaceAll(/"[^"]*"/g, '""').match(/[\w-]+(?=="")/g) ?? [])
    expect([...new Set(attributes)].filter((name) => !/^(?:href|name|content|data-[a-z-]+)$/.test(name))).toEqual([])
    expect(tags.map((tag) => tag.replaceAll(/"[^"]*"/g, '')).join('')).not.toMatch(/["']/)
  })
})

describe('the list of projects', () => {
  it('links each project relative to itself', () => {
    expect(projectListHtml(['a', 'b-c'])).toContain('<a href="a/">a</a><br>\n<a href="b-c/">b-c</a><br>')
  })

  it('is empty, not null, when there are none', () => {
    expect(JSON.parse(projectListJson([]))).toEqual({ meta: { 'api-version': '1.1' }, projects: [] })
    expect(JSON.parse(projectListJson(['a'])).projects).toEqual([{ name: 'a' }])
  })
})
