import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { parseNarinfo } from '../../../../protocols/nix/narinfo.ts'
import { CODECS } from '../../../helpers/compress.ts'
import { fileNar, sha256Nix32 } from '../../../helpers/nar.ts'
import { startNixCache, type TestCache } from '../../../helpers/nix-cache.ts'
import { PUBLIC } from '../../../helpers/nix-upload.ts'
import { runDepot, type Finished } from '../../../helpers/run-depot.ts'
import { tempDir, type TempDir } from '../../../helpers/temp-dir.ts'

let cache: TestCache
let dir: TempDir

beforeEach(async () => {
  cache = await startNixCache()
  dir = await tempDir('nix-save')
})
afterEach(async () => {
  await dir[Symbol.asyncDispose]()
  await cache[Symbol.asyncDispose]()
})

/** Save from the cache, into a folder that has a neighbour which nobody may touch. */
async function save(...args: readonly string[]): Promise<Finished & { readonly files: readonly string[] }> {
  const trusted = args.some((arg) => /^--(?:trusted-key|no-check-sigs|from)/.test(arg)) ? [] : ['--trusted-key', PUBLIC]
  const from = args.includes('--from') ? [] : ['--from', cache.url]
  const finished = await runDepot(['nix', 'save', ...args, ...from, ...trusted, '--dir', dir.join('saved')])
  return { ...finished, files: await saved() }
}

async function saved(): Promise<readonly string[]> {
  const entries = await readdir(dir.path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
  return files.map((entry) => `${entry.parentPath}/${entry.name}`.slice(dir.path.length + 1)).sort()
}

const read = (file: string): Promise<Buffer> => readFile(dir.join('saved', file))

describe('what is saved from a cache', () => {
  it('is a closure with its signatures, under the hashes of its archives, and is asked for once', async () => {
    const low = await cache.add('low', { codec: 'xz' })
    const mid = await cache.add('mid', { references: [low] })
    const top = await cache.add('top', { references: [mid, low] })
    const { status, files, stdout } = await save(top.storePath)
    expect([status, stdout.trim().split('\n').at(-1)]).toEqual([0, expect.stringMatching(/^saved 3 .*, 0 failed$/)])
    const suffixes = { low: '.xz', mid: '.zst', top: '.zst' }
    const archives = Object.entries({ low, mid, top }).map(
      ([name, { narHash }]) => `saved/nar/${narHash}.nar${suffixes[name as 'low']}`,
    )
    const narinfos = [low, mid, top].map(({ storeHash }) => `saved/${storeHash}.narinfo`)
    expect(files).toEqual(['saved/nix-cache-info', ...archives, ...narinfos].sort())
    const before = parseNarinfo(String(cache.files.get(`${low.storeHash}.narinfo`)))
    const after = parseNarinfo(String(await read(`${low.storeHash}.narinfo`)))
    expect(after).toEqual({ ...before, url: `nar/${low.narHash}.nar.xz` })
    expect((await read(after.url)).equals(low.body)).toBe(true)
    const asked = cache.requests.length
    const again = await save(top.storePath, '--verify')
    expect(again.stdout).toContain('saved 0 (0 bytes), 3 there already, 0 failed')
    expect(cache.requests.slice(asked).map(({ url }) => url)).toEqual(['/nix-cache-info'])
  })

  it.each(CODECS)('is taken as it is compressed with %s', async (codec) => {
    const path = await cache.add('some', { codec, content: 'some content '.repeat(99) })
    const { status, stderr } = await save(path.storePath)
    expect([stderr, status]).toEqual(['', 0])
    const { url, compression } = parseNarinfo(String(await read(`${path.storeHash}.narinfo`)))
    expect(compression).toBe(codec)
    expect((await read(url)).equals(path.body)).toBe(true)
  })

  it('shares an archive between paths that have the same', async () => {
    const one = await cache.add('one', { content: 'same' })
    const other = await cache.add('other', { content: 'same' })
    const { status, files } = await save(one.storePath, other.storePath)
    expect([status, files.filter((file) => file.includes('/nar/'))]).toEqual([0, [expect.any(String)]])
    expect(cache.archivesAsked()).toHaveLength(1)
  })

  it('is the paths alone when it is to be, and the rest comes later', async () => {
    const low = await cache.add('low')
    const top = await cache.add('top', { references: [low] })
    expect((await save(top.storePath, '--no-closure')).stdout).toContain('saved 1 ')
    expect((await save(top.storePath)).stdout).toMatch(/saved 1 .*, 1 there already/)
  })

  it('is found by the hash alone, as a depot lists what is wanted, and is still held to be what was signed', async () => {
    const low = await cache.add('low')
    const top = await cache.add('top', { references: [low] })
    const other = await cache.add('other')
    const { status, stdout } = await save(top.storeHash)
    expect([status, stdout]).toEqual([0, expect.stringMatching(/saved 2 /)])
    cache.files.set(`${other.storeHash}.narinfo`, cache.files.get(`${top.storeHash}.narinfo`) ?? Buffer.alloc(0))
    const missing = '0'.repeat(32)
    const lied = await save(other.storeHash, missing)
    expect([lied.status, lied.stdout]).toEqual([1, expect.stringMatching(/saved 0 .*, 2 failed/)])
    for (const hash of [other.storeHash, missing]) expect(lied.stderr).toContain(`depot: ${hash}: `)
  })

  it('has logs when they are asked for', async () => {
    const deriver = `${'0'.repeat(32)}-made.drv`
    const path = await cache.add('made', { lies: { Deriver: deriver } })
    cache.files.set(`log/${deriver}`, Buffer.from('made it\n'))
    expect((await save(path.storePath, '--logs')).status).toBe(0)
    expect(String(await read(`log/${deriver}`))).toBe('made it\n')
  })

  it('comes from the next cache where the first refuses it, with its log, also when only its hash is known', async () => {
    const deriver = `${'0'.repeat(32)}-made.drv`
    const path = await cache.add('made', { lies: { Deriver: deriver } })
    cache.files.set(`log/${deriver}`, Buffer.from('made it\n'))
    await using first = await startNixCache()
    first.refusals.set(`${path.storeHash}.narinfo`, 401).set(`log/${deriver}`, 401)
    const args = ['--from', first.url, '--from', cache.url, '--trusted-key', PUBLIC, '--logs']
    const { status, stderr, files } = await save(path.storeHash, ...args)
    expect([stderr, status]).toEqual(['', 0])
    expect(files).toContain(`saved/log/${deriver}`)
  })

  it('may come from a folder, and from one cache when another has not got it', async () => {
    const path = await cache.add('some')
    expect((await save(path.storePath)).status).toBe(0)
    const folder = pathToFileURL(dir.join('saved')).href
    await using empty = await startNixCache()
    const args = ['--from', empty.url, '--from', folder, '--trusted-key', PUBLIC, '--dir', dir.join('second')]
    const { status } = await runDepot(['nix', 'save', path.storePath, ...args])
    const { url } = parseNarinfo(String(await readFile(dir.join('second', `${path.storeHash}.narinfo`))))
    expect([status, (await readFile(dir.join('second', url))).equals(path.body)]).toEqual([0, true])
    await truncate(dir.join('saved', url), 20)
    await rm(dir.join('second'), { recursive: true })
    const cut = await runDepot(['nix', 'save', path.storePath, ...args])
    expect([cut.status, cut.stderr]).toEqual([1, expect.stringContaining('another size than was told')])
    expect(await readdir(dir.join('second'))).toEqual(['nix-cache-info'])
  })
})

describe('what is not right in a cache', () => {
  const other = `${'1'.repeat(32)}-other`
  it.each([
    ['another StorePath', { lies: { StorePath: `/nix/store/${other}` } }, 'is of /nix/store/1111'],
    ['another store', { lies: { StorePath: `/gnu/store/${other}` } }, 'not a path of /nix/store'],
    ['a URL that leads out', { lies: { URL: '../../x' } }, 'names an archive outside of it'],
    ['a URL that leads out in disguise', { lies: { URL: 'nar/%2e%2e/%2e%2e/x' } }, 'names an archive outside of it'],
    ['a URL of another host', { lies: { URL: 'http://127.0.0.1:1/nar/x' } }, 'names an archive outside of it'],
    ['a URL of a file', { lies: { URL: 'file:///etc/passwd' } }, 'names an archive outside of it'],
    ['references that are none', { lies: { References: '../../etc/passwd' } }, 'References has a word'],
    ['no NarHash', { lies: { NarHash: undefined } }, 'it has no NarHash'],
    ['a codec that nobody reads', { lies: { Compression: 'lz4' } }, 'compressed with lz4'],
    ['another FileHash', { lies: { FileHash: `sha256:${'0'.repeat(52)}` } }, 'has the sha256'],
    ['another FileSize', { lies: { FileSize: '7' } }, 'instead of 7'],
    ['no signature', { signature: 'none' }, 'signed by: nobody'],
    ['a signature of another key', { signature: 'of another key' }, 'has no good signature'],
    ['a signature of something else', { signature: 'of another path' }, 'has no good signature'],
    ['a NarSize that is not signed', { lies: { NarSize: '96' } }, 'has no good signature'],
    ['a content address of something else', { lies: { CA: `fixed:r:sha256:${'0'.repeat(52)}` } }, 'does not belong to'],
  ] as const)('%s: is refused, and the rest is saved', async (_what, options, reason) => {
    const bad = await cache.add('bad', options)
    const good = await cache.add('good')
    const { status, stderr, files } = await save(bad.storePath, good.storePath)
    expect([status, stderr]).toEqual([1, expect.stringContaining(reason)])
    expect(stderr).toContain(bad.storePath)
    expect(files.filter((file) => /narinfo|\/nar\//.test(file)).sort()).toEqual([
      `saved/${good.storeHash}.narinfo`,
      `saved/nar/${good.narHash}.nar.zst`,
    ])
  })

  it.each([
    ['another archive', () => fileNar('evil'), 'has the hash'],
    ['a longer one', () => fileNar('much longer than it was told to be'), 'more than the'],
    ['a shorter one', () => fileNar(''), 'instead of'],
    ['no archive', () => Buffer.from('hello'), 'is not a Nix archive'],
  ])('signed, but with %s: is never seen', async (_what, nar, reason) => {
    const bad = await cache.add('bad', {
      content: 'good',
      codec: 'none',
      lies: { FileHash: undefined, FileSize: undefined },
    })
    cache.files.set(`nar/${bad.fileName}`, nar())
    const { status, stderr, files } = await save(bad.storePath)
    expect([status, stderr]).toEqual([1, expect.stringContaining(reason)])
    expect(files).toEqual(['saved/nix-cache-info'])
  })

  it('an archive that is good for one path is not good for another that tells something else of it', async () => {
    const good = await cache.add('good', { content: 'good' })
    const [text, plain] = [`text:sha256:${sha256Nix32(Buffer.from('hello a\n'))}`, 's5b00ijzqx4db8vf1bcbzgmv3wb3ildz']
    const evil = good.narinfo({ StorePath: `/nix/store/${plain}-dep-a`, CA: text })
    cache.files.set(`${plain}.narinfo`, Buffer.from(evil))
    const { status, stderr } = await save(good.storePath, `/nix/store/${plain}-dep-a`)
    expect([status, stderr]).toEqual([1, expect.stringContaining('is not what its content address')])
    expect((await saved()).filter((file) => file.endsWith('.narinfo'))).toEqual([`saved/${good.storeHash}.narinfo`])
  })

  it('an archive that is cut, or not there, fails alone and with what refers to it', async () => {
    const low = await cache.add('low')
    const cut = await cache.add('cut')
    const top = await cache.add('top', { references: [low] })
    const good = await cache.add('good')
    cache.files.delete(`nar/${low.fileName}`)
    cache.files.set(`nar/${cut.fileName}`, cut.body.subarray(0, 40))
    const { status, stderr, stdout } = await save(top.storePath, cut.storePath, good.storePath)
    expect([status, stdout]).toEqual([1, expect.stringMatching(/saved 1 .*, 3 failed/)])
    expect(stderr).toContain(`${low.storePath}: ${cache.url}/nar/${low.fileName} answers 404`)
    expect(stderr).toContain(`${cut.storePath}: ${cache.url}/nar/${cut.fileName} has 40 bytes instead of`)
    expect(stderr).toContain(`${top.storePath}: it refers to ${low.storePath}, which could not be saved`)
    cache.files.set(`nar/${low.fileName}`, low.body).set(`nar/${cut.fileName}`, cut.body)
    cache.archivesAsked()
    expect((await save(top.storePath, cut.storePath, good.storePath)).stdout).toMatch(/saved 3 .*, 1 there already/)
    expect([...cache.archivesAsked()].sort()).toEqual([low, cut].map(({ fileName }) => `/nar/${fileName}`).sort())
  })

  it('a path that the cache refuses, or breaks down over, fails alone', async () => {
    const [hidden, kept, broken] = [await cache.add('hidden'), await cache.add('kept'), await cache.add('broken')]
    const good = await cache.add('good')
    cache.refusals
      .set(`${hidden.storeHash}.narinfo`, 401)
      .set(`nar/${kept.fileName}`, 403)
      .set(`nar/${broken.fileName}`, 500)
    const { status, stderr, stdout } = await save(...[hidden, kept, broken, good].map(({ storePath }) => storePath))
    expect([status, stdout]).toEqual([1, expect.stringMatching(/saved 1 .*, 3 failed/)])
    expect(stderr).toContain(`${hidden.storePath}: ${cache.url}/${hidden.storeHash}.narinfo answers 401`)
    expect(stderr).toContain(`${kept.storePath}: ${cache.url}/nar/${kept.fileName} answers 403`)
    expect(stderr).toContain(`${broken.storePath}: ${cache.url}/nar/${broken.fileName} answers 500`)
  }, 90_000)

  it('a path that nobody has fails with what refers to it', async () => {
    const low = await cache.add('low')
    const top = await cache.add('top', { references: [low] })
    cache.files.delete(`${low.storeHash}.narinfo`)
    const { status, stderr, files } = await save(top.storePath)
    expect([status, files.filter((file) => file.endsWith('.narinfo'))]).toEqual([1, []])
    expect(stderr).toContain(`${low.storePath}: ${cache.url}/ does not have it`)
  })

  it('a circle that nobody signed comes to an end', async () => {
    const one = await cache.add('one')
    const two = await cache.add('two', { references: [one] })
    cache.files.set(`${one.storeHash}.narinfo`, Buffer.from(one.narinfo({ References: two.baseName })))
    const { status, stderr } = await save(two.storePath, '--no-check-sigs')
    expect([status, stderr]).toEqual([1, expect.stringContaining('which could not be saved')])
  })

  it('no cache at all, or one of another store, is told', async () => {
    const path = await cache.add('some')
    cache.files.set('nix-cache-info', Buffer.from('StoreDir: /gnu/store\n'))
    expect((await save(path.storePath)).stderr).toContain('is of the store /gnu/store')
    cache.files.delete('nix-cache-info')
    expect((await save(path.storePath)).stderr).toContain('it is no Nix cache')
  })
})

describe('trust', () => {
  it('is not asked for when it is not to be, nor for what is named by its content', async () => {
    const unsigned = await cache.add('unsigned', { signature: 'none' })
    expect((await save(unsigned.storePath, '--no-check-sigs')).status).toBe(0)
    const nar = fileNar('hello a\n')
    const addressed = '/nix/store/yjirhkwndvv69k1rvw4gzp6g9a2wh13v-hello'
    const narHash = sha256Nix32(nar)
    cache.files.set('nar/a.nar', nar)
    const narinfo = { StorePath: addressed, URL: 'nar/a.nar', Compression: 'none', NarHash: `sha256:${narHash}` }
    const lines = { ...narinfo, NarSize: nar.length, References: '', CA: `fixed:r:sha256:${narHash}` }
    const text = Object.entries(lines).map(([key, value]) => `${key}: ${value}\n`)
    cache.files.set('yjirhkwndvv69k1rvw4gzp6g9a2wh13v.narinfo', Buffer.from(text.join('')))
    expect((await save(addressed)).status).toBe(0)
  })

  it('is what nix.conf says, over its files and what they include', async () => {
    const path = await cache.add('some')
    const args = ['nix', 'save', path.storePath, '--from', cache.url, '--dir', dir.join('saved')]
    const conf = { NIX_CONF_DIR: dir.path }
    expect((await runDepot(args, conf)).stderr).toContain('trusted: cache.nixos.org-1; signed by: test-1')
    await writeFile(dir.join('nix.conf'), '!include more.conf\n')
    await writeFile(dir.join('more.conf'), `extra-trusted-public-keys = ${PUBLIC}\n`)
    expect((await runDepot(args, conf)).status).toBe(0)
  })

  it('shows the credentials of a netrc to its host, and tells nobody of them', async () => {
    const path = await cache.add('some')
    await writeFile(dir.join('nix.conf'), `netrc-file = ${dir.join('logins')}\n`)
    await writeFile(dir.join('logins'), 'machine 127.0.0.1 login me password secret\n')
    const args = [
      'nix',
      'save',
      path.storePath,
      '--from',
      cache.url,
      '--trusted-key',
      PUBLIC,
      '--dir',
      dir.join('saved'),
    ]
    const { stdout, stderr } = await runDepot(args, { NIX_CONF_DIR: dir.path })
    const sent = cache.requests.map(({ headers }) => headers.authorization)
    expect(new Set(sent)).toEqual(new Set([`Basic ${Buffer.from('me:secret').toString('base64')}`]))
    expect(stdout + stderr).not.toContain('secret')
  })
})

describe('a folder that has something', () => {
  it('is mended where an archive was cut or changed, and told apart by --verify', async () => {
    const one = await cache.add('one')
    const two = await cache.add('two')
    await save(one.storePath, two.storePath)
    const [cut, changed] = [one, two].map(({ narHash }) => dir.join('saved', `nar/${narHash}.nar.zst`))
    await truncate(cut ?? '', 10)
    await writeFile(changed ?? '', Buffer.alloc(two.body.length, 1))
    expect((await save(one.storePath, two.storePath)).stdout).toMatch(/saved 1 .*, 1 there already/)
    expect((await save(one.storePath, two.storePath, '--verify')).stdout).toMatch(/saved 1 .*, 1 there already/)
    expect((await read(`nar/${two.narHash}.nar.zst`)).equals(two.body)).toBe(true)
  })

  it('of another store is not written to', async () => {
    const path = await cache.add('some')
    await save(path.storePath)
    await writeFile(dir.join('saved', 'nix-cache-info'), 'StoreDir: /gnu/store\n')
    const { status, stderr } = await save(path.storePath)
    expect([status, stderr]).toEqual([1, expect.stringContaining('is of the store /gnu/store')])
  })
})

it.each([
  [['nix', 'save'], 'name something'],
  [['nix', 'save', '--store-paths', '/etc/passwd'], 'is no store path'],
  [['nix', 'save', 'x', '--from', 'ftp://cache'], '--from takes the address'],
  [['nix', 'save', 'x', '--from', 'file://cache'], '--from takes the address'],
  [['nix', 'save', 'x', '--from', 'http://127.0.0.1:1', '--trusted-key', 'me'], 'no public key of a cache'],
] as const)('%j is a slip that is told', async (args, reason) => {
  const { status, stderr } = await runDepot(args)
  expect([status, stderr]).toEqual([2, expect.stringContaining(reason)])
})
