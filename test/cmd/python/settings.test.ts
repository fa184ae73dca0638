import { describe, expect, it } from 'vitest'

import { indexesOf, pythonAuthorization, resolverEnvironment, type IndexSources } from '../../../cmd/python/settings.ts'

const NOTHING: IndexSources = { main: undefined, extra: [], locks: [], env: {}, pipConfigs: [] }
const PUBLIC = 'https://pypi.org/simple/'

function indexes(sources: Partial<IndexSources>): readonly string[] {
  return indexesOf({ ...NOTHING, ...sources }).map(({ href }) => href)
}

describe('the index to save from', () => {
  it('is the public one where nothing is set', () => {
    expect(indexes({})).toEqual([PUBLIC])
  })

  it('is that of the strongest source: option, lock, pip and uv in the environment, pip.conf', () => {
    const pipConfigs = ['[global]\nindex-url = https://weaker.example/\n[install]\nindex_url: https://conf.example/\n']
    const env = { UV_INDEX_URL: 'https://old.example/', UV_DEFAULT_INDEX: 'name=https://uv.example/' }
    const locks = [{ indexUrl: 'https://lock.example/', extraIndexUrls: [] }]
    expect(indexes({ pipConfigs })).toEqual(['https://conf.example/'])
    expect(indexes({ pipConfigs, env })).toEqual(['https://uv.example/'])
    expect(indexes({ pipConfigs, env: { ...env, PIP_INDEX_URL: 'https://pip.example/' } })).toEqual([
      'https://pip.example/',
    ])
    expect(indexes({ pipConfigs, env, locks })).toEqual(['https://lock.example/'])
    expect(indexes({ pipConfigs, env, locks, main: 'https://option.example/' })).toEqual(['https://option.example/'])
  })

  it('is a mirror that is set although the lock was made with the public one', () => {
    const locks = [{ indexUrl: 'https://pypi.org/simple', extraIndexUrls: [] }]
    expect(indexes({ locks, env: { PIP_INDEX_URL: 'https://mirror.example/' } })).toEqual(['https://mirror.example/'])
  })

  it('is asked behind further ones, each once', () => {
    const env = { PIP_EXTRA_INDEX_URL: 'https://a.example/ https://b.example/', UV_INDEX: 'team=https://a.example' }
    expect(indexes({ env, extra: ['https://first.example/'] })).toEqual([
      'https://first.example/',
      'https://a.example/',
      'https://b.example/',
      PUBLIC,
    ])
  })

  it('is refused without its words when it is none', () => {
    for (const main of ['s3cret', 'file:///s3cret', 'https://'])
      expect(() => indexes({ main })).toThrow(/^(?!.*s3cret).*must begin with https/)
  })
})

describe('credentials', () => {
  const header = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`

  it('of an address go to its own site only, those of netrc to their host', () => {
    const authorization = pythonAuthorization(
      [new URL('https://me:p%40ss@index.example/simple/')],
      'machine files.example login other password word\n',
    )
    expect(authorization(new URL('https://index.example/files/x'))).toBe(header('me:p@ss'))
    expect(authorization(new URL('http://index.example/files/x'))).toBeUndefined()
    expect(authorization(new URL('https://files.example/x'))).toBe(header('other:word'))
    expect(authorization(new URL('https://elsewhere.example/x'))).toBeUndefined()
    expect(authorization(new URL('http://files.example/x'))).toBeUndefined()
    const plain = pythonAuthorization(
      [new URL('http://files.example/simple')],
      'machine files.example login a password b',
    )
    expect(plain(new URL('http://files.example/x'))).toBe(header('a:b'))
  })
})

describe('what uv and pip get to know', () => {
  it('is how to reach hosts, and no index, folder or rule of the user', () => {
    const env = {
      PATH: '/bin',
      PIP_FIND_LINKS: '/opt',
      UV_EXTRA_INDEX_URL: 'https://x',
      PIP_CERT: '/ca',
      UV_CACHE_DIR: '/cache',
    }
    const made = resolverEnvironment(env, {
      nowhere: '/dev/null',
      pipConfigs: ['[global]\nproxy = http://p:1\ncert = /other\n'],
    })
    expect(made).toMatchObject({ PIP_PROXY: 'http://p:1', PIP_CONFIG_FILE: '/dev/null', UV_NO_CONFIG: '1' })
    for (const name of ['PIP_FIND_LINKS', 'UV_EXTRA_INDEX_URL'])
      expect(Object.entries(made)).toContainEqual([name, undefined])
    for (const name of ['PIP_CERT', 'UV_CACHE_DIR', 'PATH']) expect(Object.keys(made)).not.toContain(name)
  })
})
