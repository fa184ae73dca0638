import { spawn } from 'node:child_process'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { text } from 'node:stream/consumers'

import { describe, expect, it } from 'vitest'

import { cliUser, type CliUser } from '../../helpers/cli-user.ts'
import { freePort } from '../../helpers/free-port.ts'
import { packageLock } from '../../helpers/npm-lock.ts'
import { sendRange, startNpmUpstream, type NpmUpstream } from '../../helpers/npm-upstream.ts'
import type { Finished } from '../../helpers/run-depot.ts'
import { startUpstream } from '../../helpers/upstream.ts'

interface Saving extends AsyncDisposable {
  readonly upstream: NpmUpstream
  readonly user: CliUser
  /** Save from the upstream into the user's `saved`. */
  save(...args: readonly string[]): Promise<Finished>
  /** A file below `saved`. */
  bytes(path: string): Promise<Buffer>
  json(path: string): Promise<Record<string, unknown>>
  /** All files below `saved`. */
  files(): Promise<string[]>
  /** Write a lock file in the user's HOME and return its path. */
  lock(text: string): Promise<string>
}

async function saving(): Promise<Saving> {
  await using made = new AsyncDisposableStack()
  const upstream = made.use(await startNpmUpstream())
  const user = made.use(await cliUser())
  const owned = made.move()
  const bytes = (path: string): Promise<Buffer> => readFile(user.join('saved', path))
  return {
    upstream,
    user,
    save: (...args) => user.run(['npm', 'save', '--registry', upstream.url, '--dir', user.join('saved'), ...args]),
    bytes,
    json: async (path) => JSON.parse((await bytes(path)).toString('utf8')) as Record<string, unknown>,
    async files() {
      const entries = await readdir(user.join('saved'), { recursive: true, withFileTypes: true })
      const below = user.join('saved').length + 1
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => `${entry.parentPath}/${entry.name}`.slice(below))
        .toSorted()
    },
    lock: (text) => user.write('package-lock.json', text),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

describe('depot npm save', () => {
  it('saves packages with what they need, each with its metadata cut down to what was saved', async () => {
    await using here = await saving()
    await here.upstream.add({ name: 'app', version: '1.0.0' })
    const app = await here.upstream.add(
      { name: 'app', version: '1.1.0', dependencies: { '@s/lib': '^1' } },
      { odd: [1] },
    )
    await here.upstream.add({ name: '@s/lib', version: '1.2.0' })
    await here.upstream.add({ name: '@s/lib', version: '2.0.0' })
    Object.assign(here.upstream.document('@s/lib')['dist-tags'], { old: '1.2.0', next: '2.0.0' })
    const { status, stdout } = await here.save('app@^1.0.0')
    expect(stdout).toMatch(/\nsaved 2 \([^)]+\), 0 there already, 0 failed\n$/)
    expect(status).toBe(0)
    expect(await here.files()).toEqual([
      '@s/lib/@s/lib-1.2.0.tgz',
      '@s/lib/metadata.json',
      'app/app-1.1.0.tgz',
      'app/metadata.json',
    ])
    expect(await here.bytes('app/app-1.1.0.tgz')).toEqual(app)
    const upstreams = here.upstream.document('app')
    expect(await here.json('app/metadata.json')).toEqual({
      ...upstreams,
      'dist-tags': { latest: '1.1.0' },
      versions: { '1.1.0': upstreams.versions['1.1.0'] },
      time: { '1.1.0': upstreams.time['1.1.0'] },
      _depot: {},
    })
    expect(await here.json('@s/lib/metadata.json')).toMatchObject({
      'dist-tags': { latest: '1.2.0', old: '1.2.0' },
      _depot: { latest: '2.0.0' },
    })
  })

  it('adds to what is there, and asks each package once', async () => {
    await using here = await saving()
    for (const version of ['1.0.0', '1.1.0', '2.0.0-rc.1']) await here.upstream.add({ name: 'app', version })
    Object.assign(here.upstream.document('app')['dist-tags'], { latest: '1.1.0', next: '2.0.0-rc.1' })
    await here.save('app@1.0.0')
    here.upstream.asked.length = 0
    const { stdout } = await here.save('app@next', 'app@1.0.0', 'app@*')
    expect(stdout).toMatch(/saved 2 \([^)]+\), 1 there already, 0 failed/)
    expect(here.upstream.asked.filter((line) => line === 'GET /app')).toHaveLength(1)
    const { versions, 'dist-tags': tags } = await here.json('app/metadata.json')
    expect(Object.keys(versions as object).toSorted()).toEqual(['1.0.0', '1.1.0', '2.0.0-rc.1'])
    expect(tags).toEqual({ latest: '1.1.0', next: '2.0.0-rc.1' })
  })

  it('saves the versions of a lock file, and asks for nothing when it is called again', async () => {
    await using here = await saving()
    const one = { name: 'one', version: '1.0.0' }
    const two = { name: '@s/two', version: '2.0.0' }
    const lock = await here.lock(
      packageLock([
        { packageJson: one, tarball: await here.upstream.add(one) },
        { packageJson: two, tarball: await here.upstream.add(two) },
      ]),
    )
    await here.upstream.add({ name: 'one', version: '1.1.0' })
    expect((await here.save(lock)).stdout).toMatch(/saved 2 \(/)
    expect(await here.files()).toHaveLength(4)
    here.upstream.asked.length = 0
    const { status, stdout } = await here.save('--lock', lock)
    expect([status, stdout]).toEqual([0, 'saved 0 (0 bytes), 2 there already, 0 failed\n'])
    expect(here.upstream.asked).toEqual([])
  })

  it('refreshes tags and deprecations of what is there when it asks anyway', async () => {
    await using here = await saving()
    await here.upstream.add({ name: 'app', version: '1.0.0' })
    await here.save('app')
    Object.assign(here.upstream.document('app').versions['1.0.0'] ?? {}, { deprecated: 'use other' })
    Object.assign(here.upstream.document('app')['dist-tags'], { lts: '1.0.0' })
    expect((await here.save('app')).stdout).toMatch(/saved 0 .* 1 there already/)
    expect(await here.json('app/metadata.json')).toMatchObject({
      'dist-tags': { latest: '1.0.0', lts: '1.0.0' },
      versions: { '1.0.0': { deprecated: 'use other' } },
    })
  })

  it('keeps signatures, provenance and public keys byte for byte', async () => {
    await using here = await saving()
    const signatures = [{ keyid: 'SHA256:one', sig: 'MEUCIQDX==' }]
    const attestations = {
      url: `https://registry.example/-/npm/v1/attestations/@s%2fapp@1.0.0`,
      provenance: { predicateType: 'y' },
    }
    await here.upstream.add({ name: '@s/app', version: '1.0.0' }, { dist: { signatures, attestations } })
    const told = '{ "attestations" : [ {"predicateType":"y", "bundle":{}} ] }\n'
    const keys = '{"keys":[ {"keyid":"SHA256:one","key":"MF=="} ]}\n'
    here.upstream.answers.set('/-/npm/v1/attestations/@s/app@1.0.0', (_in, out) => out.end(told))
    here.upstream.answers.set('/-/npm/v1/keys', (_in, out) => out.end(keys))
    expect((await here.save('@s/app')).status).toBe(0)
    expect((await here.bytes('@s/app/app-1.0.0.attestations.json')).toString()).toBe(told)
    expect((await here.bytes('-/keys.json')).toString()).toBe(keys)
    expect(await here.json('@s/app/metadata.json')).toMatchObject({
      versions: { '1.0.0': { dist: { signatures, attestations } } },
    })
    here.upstream.answers.set('/-/npm/v1/keys', (_in, out) => out.end('{"keys":[{"keyid":"SHA256:two"}]}'))
    await here.upstream.add({ name: '@s/app', version: '1.0.1' })
    await here.save('@s/app')
    expect(await here.json('-/keys.json')).toEqual({
      keys: [{ keyid: 'SHA256:two' }, { keyid: 'SHA256:one', key: 'MF==' }],
    })
  })

  it('leaves out what runs nowhere that matters', async () => {
    await using here = await saving()
    const linux = { name: 'on-linux', version: '1.0.0', os: ['linux'] }
    const mac = { name: 'on-mac', version: '1.0.0', os: ['darwin'] }
    const more = { optional: true }
    const entries = [
      { packageJson: linux, tarball: await here.upstream.add(linux), more: { ...more, os: ['linux'] } },
      { packageJson: mac, tarball: await here.upstream.add(mac), more: { ...more, os: ['darwin'] } },
    ]
    await here.upstream.add({ name: 'app', version: '1.0.0', optionalDependencies: { 'on-linux': '1', 'on-mac': '1' } })
    expect((await here.save('app', '--platform', 'linux-x64')).stdout).toMatch(/saved 2 \(/)
    const lock = await here.lock(packageLock(entries))
    expect((await here.save(lock, '--platform', 'darwin-arm64')).stdout).toMatch(/^saved on-mac@1\.0\.0\nsaved 1 \(/)
    expect((await here.save(lock)).stdout).toMatch(/^saved 0 .* 2 there already/)
    expect((await here.save('app', '--platform', 'linux')).stderr).toMatch(/^depot: --platform linux: it is like/)
  })

  it('takes a package.json with its workspaces', async () => {
    await using here = await saving()
    for (const name of ['a', 'b', 'c', 'd']) await here.upstream.add({ name, version: '1.0.0' })
    const root = { name: 'all', workspaces: ['packages/*', '!packages/not'], dependencies: { a: '1', two: '*' } }
    const file = await here.user.write('package.json', JSON.stringify(root))
    await here.user.write(
      'packages/two/package.json',
      '{"name":"two","dependencies":{"b":"1"},"devDependencies":{"c":"1"}}',
    )
    await here.user.write('packages/not/package.json', '{"name":"not","dependencies":{"d":"1"}}')
    expect((await here.save(file, '--omit', 'dev')).stdout).toMatch(/saved 2 \(/)
    expect((await here.save(file)).stdout).toMatch(/saved 1 \(.* 2 there already/)
    expect((await here.save(file, '--omit', 'peer')).status).toBe(2)
  })

  it('takes specs from standard input, one a line', async () => {
    await using here = await saving()
    for (const name of ['a', '@s/b']) await here.upstream.add({ name, version: '1.0.0' })
    const launcher = path.join(import.meta.dirname, '..', '..', '..', 'cmd', 'launch.js')
    const args = [launcher, 'npm', 'save', '--registry', here.upstream.url, '--dir', here.user.join('saved'), '--stdin']
    const child = spawn(process.execPath, args, { env: here.user.env, stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdin.end('# what we need\na@^1 # this\n\n@s/b\n')
    expect(await text(child.stdout)).toMatch(/saved 2 \(/)
  })

  it('says what it wants when there is nothing', async () => {
    await using here = await saving()
    expect((await here.save()).stderr).toMatch(/^depot: save what\? Name packages/)
    expect((await here.save('--lock', '/none/package-lock.json')).stderr).toMatch(/package-lock\.json cannot be read/)
  })
})

describe('depot npm save from a registry that fails', () => {
  it('saves the others when one of many is not there, and names it', async () => {
    await using here = await saving()
    const one = { name: 'one', version: '1.0.0' }
    const lock = packageLock([
      { packageJson: one, tarball: await here.upstream.add(one) },
      { packageJson: { name: 'gone', version: '1.0.0' } },
      { packageJson: { name: 'one', version: '9.9.9' }, more: {} },
    ])
    await here.upstream.add({ name: 'app', version: '1.0.0', dependencies: { one: '1', gone: '^2' } })
    const { status, stdout, stderr } = await here.save(await here.lock(lock), 'app')
    expect(status).toBe(1)
    expect(stdout).toMatch(/saved 2 \([^)]+\), 0 there already, 3 failed/)
    expect(stderr).toMatch(/^depot: gone@\^2: http:\/\/127\.0\.0\.1:\d+\/ has no gone \(app@1\.0\.0 asks for it\)$/m)
    expect(stderr).toMatch(/^depot: gone@1\.0\.0: http/m)
    expect(stderr).toMatch(/^depot: one@9\.9\.9: the registry has no such version$/m)
  })

  it('goes on where a download was cut', async () => {
    await using here = await saving()
    const tarball = await here.upstream.add({ name: 'app', version: '1.0.0' })
    const path = '/app/-/app-1.0.0.tgz'
    here.upstream.answers.set(path, sendRange(tarball, 100))
    expect((await here.save('app')).status).toBe(0)
    expect(await here.bytes('app/app-1.0.0.tgz')).toEqual(tarball)
    expect(here.upstream.asked.filter((line) => line.endsWith(path))).toHaveLength(2)
  })

  it('keeps nothing that has another hash than the registry or the lock file says', async () => {
    await using here = await saving()
    const [bad, good] = [
      { name: 'bad', version: '1.0.0' },
      { name: 'good', version: '1.0.0' },
    ]
    await here.upstream.add(bad)
    await here.upstream.add(good)
    here.upstream.answers.set('/bad/-/bad-1.0.0.tgz', sendRange(Buffer.from('something else')))
    const { status, stderr } = await here.save('bad', 'good')
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^depot: bad@1\.0\.0: \S+ has the sha512 \w+ instead of \w+\n$/),
    ])
    const lock = await here.lock(packageLock([{ packageJson: good, tarball: Buffer.from('other') }]))
    expect((await here.save(lock)).stderr).toMatch(
      /good@1\.0\.0: the lock file and the registry disagree on the sha512/,
    )
    expect(await here.files()).toEqual(['good/good-1.0.0.tgz', 'good/metadata.json'])
  })

  it('mends a file that was damaged in the folder, and leaves one alone that the registry has changed', async () => {
    await using here = await saving()
    const tarball = await here.upstream.add({ name: 'app', version: '1.0.0' })
    await here.save('app')
    await truncate(here.user.join('saved/app/app-1.0.0.tgz'), 10)
    expect((await here.save('app')).stdout).toMatch(/saved 1 \(/)
    expect(await here.bytes('app/app-1.0.0.tgz')).toEqual(tarball)
    await here.upstream.add({ name: 'app', version: '1.0.0', description: 'other bytes' })
    await truncate(here.user.join('saved/app/app-1.0.0.tgz'), 10)
    expect((await here.save('app')).stderr).toMatch(/app@1\.0\.0: the registry now has other bytes/)
  })

  it('believes no name, version or address of a packument', async () => {
    await using here = await saving()
    const { upstream } = here
    await upstream.add({ name: 'app', version: '1.0.0', dependencies: { '../../up': '1', other: '1' } })
    const app = upstream.document('app')
    const own = app.versions['1.0.0']
    if (own === undefined) throw new Error('it was published')
    Object.assign(app.versions, {
      '1.0.0/../../x': { ...own, version: '1.0.0/../../x' },
      '2.0.0': { ...own, name: '../up' },
    })
    Object.assign(app['dist-tags'], { '../x': '1.0.0', latest: '1.0.0/../../x' })
    await upstream.add({ name: 'other', version: '1.0.0' })
    Object.assign(upstream.document('other'), { name: '../../app' })
    // Nobody listens there: the registry is asked for it instead.
    own.dist['tarball'] = 'http://127.0.0.1:1/steal.tgz'
    const { stderr } = await here.save('app@1.0.0')
    expect(stderr).toMatch(/other@1: asked for other, the registry answers with a document of '\.\.\/\.\.\/app'/)
    expect(await here.files()).toEqual(['app/app-1.0.0.tgz', 'app/metadata.json'])
    expect(await here.json('app/metadata.json')).toMatchObject({ 'dist-tags': { latest: '1.0.0' } })
    expect(Object.keys((await here.json('app/metadata.json'))['versions'] as object)).toEqual(['1.0.0'])
  })

  it('asks nobody but the registry for provenance, whatever address a manifest has', async () => {
    await using here = await saving()
    await using other = await startUpstream((_in, out) => out.end('{"attestations":[]}'))
    const { host } = new URL(other.url)
    const addresses = [`https://registry.example//${host}/a`, 'https://registry.example//', 'data:x', 'npm://h']
    for (const [index, url] of addresses.entries())
      await here.upstream.add({ name: `p${index}`, version: '1.0.0' }, { dist: { attestations: { url } } })
    const { status, stdout } = await here.save('p0', 'p1', 'p2', 'p3')
    expect([status, stdout]).toEqual([0, expect.stringMatching(/saved 4 \([^)]+\), 0 there already, 0 failed/)])
    expect(other.requests).toHaveLength(0)
    expect(here.upstream.asked).toContain(`GET //${host}/a`)
  })

  it('names a package that no folder can have, and one that the registry breaks down over, and saves the others', async () => {
    await using here = await saving()
    const good = { name: 'good', version: '1.0.0' }
    const entries = [good, { name: 'odd*name', version: '1.0.0' }, { name: 'broken', version: '1.0.0' }]
    const tarball = await here.upstream.add(good)
    here.upstream.answers.set('/broken', (_in, out) => out.writeHead(500, { 'retry-after': '0' }).end('{}'))
    const lock = await here.lock(packageLock(entries.map((packageJson) => ({ packageJson, tarball }))))
    const { status, stdout, stderr } = await here.save(lock)
    expect([status, stdout]).toEqual([1, expect.stringMatching(/saved 1 \([^)]+\), 0 there already, 2 failed/)])
    expect(stderr).toMatch(/^depot: odd\*name@1\.0\.0: .* is no path of a saved file$/m)
    expect(stderr).toMatch(/^depot: broken@1\.0\.0: \S+ answers 500$/m)
  }, 90_000)

  it('does without keys and provenance that it refuses', async () => {
    await using here = await saving()
    const attestations = { url: 'https://registry.example/-/npm/v1/attestations/app@1.0.0' }
    await here.upstream.add({ name: 'app', version: '1.0.0' }, { dist: { attestations } })
    for (const path of ['/-/npm/v1/attestations/app@1.0.0', '/-/npm/v1/keys'])
      here.upstream.answers.set(path, (_in, out) => out.writeHead(403).end('{}'))
    const { status, stdout } = await here.save('app')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^left out the provenance of app@1\.0\.0: it answers 403$/m)
    expect(await here.files()).toEqual(['app/app-1.0.0.tgz', 'app/metadata.json'])
  })

  it('ends soon when nobody answers', async () => {
    await using here = await saving()
    const { status, stderr } = await here.user.run([
      'npm',
      'save',
      'app',
      ...Array.from({ length: 40 }, (_, index) => `p${index}`),
      '--registry',
      `http://127.0.0.1:${await freePort()}/`,
      '--dir',
      here.user.join('x'),
    ])
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^depot: http:\/\/127\.0\.0\.1:\d+\/\w+ cannot be reached/),
    ])
  }, 90_000)

  it('breaks down over one package alone', async () => {
    await using here = await saving()
    await here.upstream.add({ name: 'app', version: '1.0.0' })
    here.upstream.answers.set('/blocked', (_in, out) => out.writeHead(403).end('{}'))
    const { status, stdout, stderr } = await here.save('blocked', 'app')
    expect([status, stdout]).toEqual([1, expect.stringMatching(/saved 1 \(/)])
    expect(stderr).toMatch(/^depot: blocked@\*: http\S+\/blocked answers 403 \(the command line asks for it\)/)
  })
})

describe("npm's settings for depot npm save", () => {
  it('name the registry of a scope and its credentials, which no other host gets', async () => {
    await using here = await saving()
    await using scoped = await startNpmUpstream()
    await here.upstream.add({ name: 'app', version: '1.0.0', dependencies: { '@acme/lib': '1' } })
    await scoped.add({ name: '@acme/lib', version: '1.0.0' })
    const seen: string[] = []
    for (const upstream of [here.upstream, scoped])
      upstream.answers.set('/-/npm/v1/keys', (incoming, out) => {
        seen.push(incoming.headers.authorization ?? 'nothing')
        out.end('{"keys":[]}')
      })
    const npmrc = `registry=${here.upstream.url}\n@acme:registry=${scoped.url}\n${scoped.url.slice(5)}:_authToken=\${TOKEN}\n`
    await here.user.write('.npmrc', npmrc)
    const { stdout, status } = await here.user.run(['npm', 'save', 'app', '--dir', here.user.join('saved')], {
      TOKEN: 's3cret',
    })
    expect([status, stdout]).toEqual([0, expect.stringMatching(/saved 2 \(/)])
    expect(seen.toSorted()).toEqual(['Bearer s3cret', 'nothing'])
    expect(stdout).not.toContain('s3cret')
  })

  it('come from the project and from the environment as well', async () => {
    await using here = await saving()
    await here.upstream.add({ name: 'app', version: '1.0.0' })
    const lock = await here.user.write(
      'project/package-lock.json',
      packageLock([{ packageJson: { name: 'app', version: '1.0.0' } }]),
    )
    await here.user.write('project/.npmrc', `registry=${here.upstream.url}\n`)
    await here.user.write('.npmrc', 'registry=http://127.0.0.1:1/\n')
    await here.user.write('project/package.json', '{}')
    const save = ['npm', 'save', '--dir', here.user.join('saved')]
    expect((await here.user.run([...save, lock])).stdout).toMatch(/saved 1 \(/)
    const env = { NPM_CONFIG_REGISTRY: here.upstream.url }
    expect((await here.user.run([...save, 'app'], env)).stdout).toMatch(/1 there already/)
  })
})

describe('a folder that a-h/depot saved', () => {
  it('is gone on with: versions without a tarball are none', async () => {
    await using here = await saving()
    const tarball = await here.upstream.add({ name: 'app', version: '1.0.0' })
    await here.upstream.add({ name: 'app', version: '1.1.0' })
    await here.user.write('saved/app/metadata.json', JSON.stringify(here.upstream.document('app')))
    await writeFile(here.user.join('saved/app/app-1.0.0.tgz'), tarball)
    const lock = packageLock([{ packageJson: { name: 'app', version: '1.0.0' }, tarball }])
    expect((await here.save(await here.lock(lock))).stdout).toMatch(/1 there already/)
    expect((await here.save('app')).stdout).toMatch(/^saved app@1\.1\.0\n/)
    expect(Object.keys((await here.json('app/metadata.json'))['versions'] as object)).toEqual(['1.0.0', '1.1.0'])
  })
})
