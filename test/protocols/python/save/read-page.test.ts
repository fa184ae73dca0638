import { describe, expect, it } from 'vitest'

import { readPage } from '../../../../protocols/python/save/read-page.ts'

const PAGE = new URL('https://index.example/simple/top/')
const SHA256 = 'ab'.repeat(32)

function html(text: string, contentType: string | null = 'text/html; charset=utf-8') {
  return readPage({ text, contentType, url: PAGE })
}

function json(page: object, contentType: string | null = 'application/vnd.pypi.simple.v1+json') {
  return readPage({ text: JSON.stringify(page), contentType, url: PAGE })
}

describe('a page in HTML', () => {
  it('gives what PEP 503, 592, 658, 714 and 740 put into its links', () => {
    const { files } = html(`<!DOCTYPE html><html><body>
      <a href="../../files/top-1.0-py3-none-any.whl#sha256=${SHA256.toUpperCase()}" data-requires-python="&gt;=3.8,&lt;4"
         data-core-metadata="sha256=${SHA256}" data-dist-info-metadata='false' data-yanked="it &amp; that" data-size=12
         data-upload-time="2020-01-01T00:00:00Z" data-provenance="/proof">top-1.0-py3-none-any.whl</a>`)
    expect(files).toEqual([
      {
        filename: 'top-1.0-py3-none-any.whl',
        url: new URL('https://index.example/files/top-1.0-py3-none-any.whl'),
        hashes: { sha256: SHA256 },
        sizeBytes: 12,
        metadata: { sha256: SHA256 },
        provenance: new URL('https://index.example/proof'),
        entry: {
          filename: 'top-1.0-py3-none-any.whl',
          url: 'https://index.example/files/top-1.0-py3-none-any.whl',
          hashes: { sha256: SHA256 },
          'requires-python': '>=3.8,<4',
          size: 12,
          'upload-time': '2020-01-01T00:00:00Z',
          yanked: 'it & that',
          'core-metadata': { sha256: SHA256 },
          provenance: 'https://index.example/proof',
        },
      },
    ])
  })

  it.each([
    ['<a href="top-1.tar.gz">', 'https://index.example/simple/top/top-1.tar.gz'],
    ['<base href="/mirror/"><base href="/other/"><a href="top-1.tar.gz">', 'https://index.example/mirror/top-1.tar.gz'],
    [
      "<A HREF = 'https://files.example/a/top-1.tar.gz?x=1&amp;y=2#md5=x'>",
      'https://files.example/a/top-1.tar.gz?x=1&y=2',
    ],
    ['<a\nhref=//files.example/top-1.tar.gz>', 'https://files.example/top-1.tar.gz'],
    ['<a href="top&#45;1&#x2e;tar.gz">', 'https://index.example/simple/top/top-1.tar.gz'],
    ['<a class="x" disabled href="top-1.tar.gz" href="evil">', 'https://index.example/simple/top/top-1.tar.gz'],
    ['< a href="x"> <a/href="top-1.tar.gz"/>', 'https://index.example/simple/top/top-1.tar.gz'],
  ])('finds the link in %s', (text, url) => {
    const { files } = html(text)
    expect(files.map((file) => file.url.href)).toEqual([url])
  })

  it('knows names with escapes in their address, and a yank without a reason', () => {
    const { files } = html('<a href="top-1.0%2Blocal-py3-none-any.whl" data-yanked>')
    expect(files[0]).toMatchObject({ filename: 'top-1.0+local-py3-none-any.whl', entry: { yanked: true } })
  })

  it.each([
    '<!-- <a href="top-1.tar.gz"> -->',
    '<script>"<a href=top-1.tar.gz>"</script>',
    '<title><a href="top-1.tar.gz"></title>',
    '<a href="top-1.tar.gz',
    '<a name="top-1.tar.gz">',
    '<a href="javascript:top-1.tar.gz">',
    '<a href="file:///etc/top-1.tar.gz">',
    '<a href="http://[">',
    '<a href="%ff%fe.tar.gz">',
    '<a href="/top/">',
    '</a href="top-1.tar.gz">',
  ])('finds no file in %s', (text) => {
    expect(html(text).files).toEqual([])
  })

  it('is read in a time that grows with it, whatever stands in it', () => {
    const bytes = 4_000_000
    for (const unit of [
      '<a ',
      '<a href="',
      '<',
      '<!--',
      '<a b=\'" c="',
      '<script>',
      '&#',
      '<a href=x ',
      '</',
      '<a\t\t\t\t',
    ]) {
      const started = performance.now()
      html(unit.repeat(bytes / unit.length))
      expect(performance.now() - started, unit).toBeLessThan(10_000)
    }
  })
})

describe('a page in JSON', () => {
  const file = {
    filename: 'top-1.tar.gz',
    url: '../files/top-1.tar.gz',
    hashes: { sha256: SHA256, md5: 'ab'.repeat(16) },
  }

  it('gives the strongest digests, and the entry as it is', () => {
    const entry = { ...file, 'core-metadata': false, provenance: null, 'odd-field': [1] }
    const { files } = json({ meta: { 'api-version': '1.9' }, files: [entry] })
    expect(files).toEqual([
      {
        filename: 'top-1.tar.gz',
        url: new URL('https://index.example/simple/files/top-1.tar.gz'),
        hashes: { sha256: SHA256 },
        entry,
      },
    ])
  })

  it('takes what it does not know for nothing, and passes over entries that are none', () => {
    const odd = [null, 1, [], {}, { filename: 1, url: 2 }, { ...file, url: 'ftp://x/y' }, { ...file, hashes: 'sha256' }]
    expect(json({ files: odd }).files.map(({ hashes }) => hashes)).toEqual([{}])
  })

  it.each(['application/json', 'text/html', null, 'text/plain'])(
    'is known as JSON when it comes as %s',
    (contentType) => {
      expect(json({ files: [file] }, contentType).files).toHaveLength(1)
    },
  )

  it('says when the project is in quarantine', () => {
    const status = { status: 'quarantined', reason: 'malware' }
    expect(json({ files: [], 'project-status': status }).status).toEqual(status)
    const page =
      '<meta name="pypi:project-status" content="quarantined"><meta name="pypi:project-status-reason" content="malware">'
    expect(html(page).status).toEqual(status)
  })
})

describe('a page of another kind', () => {
  it.each(['2.0', '2', '0.9', 'one'])('is refused when it speaks version %s', (version) => {
    expect(() => json({ meta: { 'api-version': version }, files: [] })).toThrow(/version/)
    expect(() => html(`<meta name="pypi:repository-version" content="${version}">`)).toThrow(/version/)
  })

  it('is refused when it is JSON of something else, or no JSON at all', () => {
    expect(() => json({ projects: [] })).toThrow(/no page of a project/)
    expect(() => readPage({ text: '{"files": [', contentType: 'application/json', url: PAGE })).toThrow(/neither/)
  })
})
