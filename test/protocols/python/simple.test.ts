import { describe, expect, it } from 'vitest'

import { releaseJson } from '../../../protocols/python/release-json.ts'
import { LIST_HTML, projectHtml } from '../../../protocols/python/simple-html.ts'
import { LIST_JSON, projectJson } from '../../../protocols/python/simple-json.ts'
import type { ListedFile, ListForm, ProjectPage } from '../../../protocols/python/simple-page.ts'

const SHA = 'a'.repeat(64)
const META = 'b'.repeat(64)
const WHEEL: ListedFile = {
  filename: 'my_pkg_x-1.0+local-py3-none-any.whl',
  version: '1.0+local',
  sha256: SHA,
  sizeBytes: 1234,
  requiresPython: '>=3.8,<4',
  uploadTime: '2026-01-31T12:00:00.123456Z',
  yanked: false,
  metadataSha256: META,
  provenanceUrl: '../../integrity/my-pkg-x/1.0%2Blocal/x/provenance',
}
const SDIST: ListedFile = {
  ...WHEEL,
  filename: 'my_pkg_x-0.9.tar.gz',
  version: '0.9',
  provenanceUrl: undefined,
  requiresPython: undefined,
  metadataSha256: undefined,
  yanked: 'broken "on" <Windows> & elsewhere',
}

function page(files: readonly ListedFile[]): ProjectPage {
  return {
    name: 'my-pkg-x',
    status: undefined,
    versions: ['0.9', '1.0+local'],
    files,
    filesUrl: '../../files/my-pkg-x/',
  }
}

function list({ head, between, tail, item }: ListForm, names: readonly string[]): string {
  return head + names.map(item).join(between) + tail
}

describe('a project page in JSON', () => {
  const { meta, name, versions, files, 'project-status': status } = JSON.parse(projectJson(page([SDIST, WHEEL])))

  it('states 1.4 and keeps what that promises: versions, a size for every file, a status', () => {
    expect(meta).toEqual({ 'api-version': '1.4' })
    expect(status).toEqual({ status: 'active' })
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
      provenance: '../../integrity/my-pkg-x/1.0%2Blocal/x/provenance',
    })
    expect(files[0].provenance).toBeNull()
  })

  it('tells why a project is not active', () => {
    const closed = projectJson({ ...page([]), status: { status: 'archived', reason: 'see bar' } })
    expect(JSON.parse(closed)).toMatchObject({
      'project-status': { status: 'archived', reason: 'see bar' },
      'alternate-locations': [],
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
        ' data-upload-time="2026-01-31T12:00:00.123456Z" data-provenance="../../integrity/my-pkg-x/1.0%2Blocal/x/provenance">' +
        'my_pkg_x-1.0+local-py3-none-any.whl</a> 1234 bytes, 2026-01-31<br>',
    )
  })

  it('tells a person what was yanked and why, and how the project stands', () => {
    expect(html).toContain('2026-01-31, yanked: broken &quot;on&quot; &lt;Windows&gt; &amp; elsewhere<br>')
    expect(html).toContain('<meta name="pypi:project-status" content="active">')
    const closed = projectHtml({ ...page([]), status: { status: 'deprecated', reason: '<b>' } })
    expect(closed).toContain('<meta name="pypi:project-status" content="deprecated">')
    expect(closed).toContain('<meta name="pypi:project-status-reason" content="&lt;b&gt;">')
    expect(closed).toContain('<p>deprecated: &lt;b&gt;</p>')
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

  it('states the version that JSON states', () => {
    expect(html).toContain('<meta name="pypi:repository-version" content="1.4">')
  })

  it.each([
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    '&lt;',
    '</a><a href="javascript:x">',
  ])('leaves no way out of its text and attributes for %s', (evil) => {
    const file = { ...WHEEL, filename: evil, requiresPython: evil, yanked: evil }
    const rendered =
      projectHtml({ ...page([file]), name: evil, status: { status: 'archived', reason: evil } }) +
      list(LIST_HTML, [evil])
    const tags = rendered.match(/<[^>]*>/g) ?? []
    const names = new Set(tags.map((tag) => /^<\/?!?([a-z0-9]+)/i.exec(tag)?.[1]?.toLowerCase()))
    expect(names).toEqual(new Set(['a', 'body', 'br', 'doctype', 'h1', 'head', 'html', 'meta', 'p', 'title']))
    const attributes = tags.flatMap((tag) => tag.replaceAll(/"[^"]*"/g, '""').match(/[\w-]+(?=="")/g) ?? [])
    expect([...new Set(attributes)].filter((name) => !/^(?:href|name|content|data-[a-z-]+)$/.test(name))).toEqual([])
    expect(tags.map((tag) => tag.replaceAll(/"[^"]*"/g, '')).join('')).not.toMatch(/["']/)
  })
})

describe('the releases of a project', () => {
  it('are listed by version, with what pip-tools and people look for', () => {
    const { info, releases } = JSON.parse(releaseJson(page([SDIST, WHEEL])))
    expect(info).toMatchObject({ name: 'my-pkg-x', version: '1.0+local', requires_python: '>=3.8,<4' })
    expect(releases['0.9']).toMatchObject([
      { packagetype: 'sdist', yanked: true, yanked_reason: SDIST.yanked, digests: { sha256: SHA } },
    ])
    expect(releases['1.0+local']).toMatchObject([
      {
        url: '../../files/my-pkg-x/my_pkg_x-1.0%2Blocal-py3-none-any.whl',
        packagetype: 'bdist_wheel',
        yanked: false,
        yanked_reason: null,
        upload_time_iso_8601: '2026-01-31T12:00:00.123456Z',
      },
    ])
  })

  it('name as the latest the last one that is not yanked, or the last one where all are', () => {
    const latestOf = (...files: ListedFile[]) => JSON.parse(releaseJson(page(files))).info.version
    const [good, bad] = [
      { ...SDIST, yanked: false },
      { ...WHEEL, yanked: true },
    ]
    expect([latestOf(good, WHEEL), latestOf(good, bad), latestOf(SDIST, bad)]).toEqual([
      '1.0+local',
      '0.9',
      '1.0+local',
    ])
  })

  it('are empty for a project that offers nothing', () => {
    expect(JSON.parse(releaseJson(page([]))).releases).toEqual({ '0.9': [], '1.0+local': [] })
  })
})

describe('the list of projects', () => {
  it('links each project relative to itself', () => {
    expect(list(LIST_HTML, ['a', 'b-c'])).toContain('<a href="a/">a</a><br>\n<a href="b-c/">b-c</a><br>')
  })

  it('is empty, not null, when there are none', () => {
    expect(JSON.parse(list(LIST_JSON, []))).toEqual({ meta: { 'api-version': '1.4' }, projects: [] })
    expect(JSON.parse(list(LIST_JSON, ['a'])).projects).toEqual([{ name: 'a' }])
  })
})
