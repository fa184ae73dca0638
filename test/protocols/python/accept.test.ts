import { describe, expect, it } from 'vitest'

import { choosePageType } from '../../../protocols/python/accept.ts'

const PIP = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01'
const UV = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01'
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'

describe('the Accept header of a simple page', () => {
  it.each([
    ['pip 22.3 and later', PIP, 'json'],
    ['uv', UV, 'json'],
    ['poetry', 'application/vnd.pypi.simple.v1+json, */*;q=0.1', 'json'],
    ['pip 21 and older', 'text/html', 'text-html'],
    ['pipenv and curl', '*/*', 'text-html'],
    ['a browser', BROWSER, 'text-html'],
    ['nobody', undefined, 'text-html'],
    ['an empty header', '', 'text-html'],
    ['the newest version, whichever', 'application/vnd.pypi.simple.latest+json', 'json'],
    ['the HTML form by name', 'application/vnd.pypi.simple.v1+html', 'html'],
    ['HTML before JSON', 'application/vnd.pypi.simple.v1+json;q=0.2, text/html', 'text-html'],
    ['JSON forbidden', 'application/vnd.pypi.simple.v1+json;q=0, application/vnd.pypi.simple.v1+html', 'html'],
    ['other case and blanks', ' Application/VND.pypi.simple.v1+JSON ; Q=0.5 , text/html;q=0.4', 'json'],
    ['equal weights', 'text/html, application/vnd.pypi.simple.v1+json', 'json'],
    ['any text', 'text/*', 'text-html'],
  ])('gives %s what it reads', (_client, accept, type) => {
    expect(choosePageType(accept)).toBe(type)
  })

  it.each(['application/json', 'image/png', 'application/vnd.pypi.simple.v2+json', 'text/html;q=0', ';;,,;q=', 'q=1'])(
    'falls back to HTML, never to a refusal, for %s',
    (accept) => {
      expect(choosePageType(accept)).toBe('text-html')
    },
  )
})
