import { once } from 'node:events'
import { chmod, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { closureExpression, nixClient } from '../helpers/nix-client.ts'
import { nixUpload } from '../helpers/nix-upload.ts'
import { npmClient, publishFrom } from '../helpers/npm-client.ts'
import { startProxyProcess, type ProxyProcess } from '../helpers/proxy-process.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { makeKey, startAgent, type KeyKind, type TestKey } from '../helpers/ssh-keys.ts'
import { storedFiles } from '../helpers/stored-files.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const PASSPHRASE = 'correct horse'
const KINDS = ['ed25519', 'ecdsa-256', 'ecdsa-384', 'ecdsa-521', 'rsa-3072'] as const satisfies readonly KeyKind[]
const HOLDERS = ['file', 'file with a passphrase', 'agent'] as const

type Holder = (typeof HOLDERS)[number]

/** A depot that knows keys of several kinds, each held in every way, and proxies with one of them. */
interface Zoo extends AsyncDisposable {
  readonly world: World
  key(kind: KeyKind, holder: Holder): TestKey
  proxy(kind: KeyKind, holder: Holder): Promise<ProxyProcess>
}

describeWith('openssh', 'e2e/auth: depot proxy', () => {
  let zoo: Zoo

  beforeAll(async () => {
    zoo = await openZoo(KINDS)
  })
  afterAll(() => zoo[Symbol.asyncDispose]())

  describe.each(HOLDERS)('with a key in its %s', (holder) => {
    it.each(KINDS)('of kind %s signs what is put and what is got', async (kind) => {
      const { world } = zoo
      await using proxy = await zoo.proxy(kind, holder)
      const upload = await nixUpload(`${holder} ${kind}`, { codec: 'none' })
      expect((await put(proxy, `/nix/nar/${upload.fileName}`, upload.body)).status).toBe(201)
      expect((await put(proxy, `/nix/${upload.storeHash}.narinfo`, Buffer.from(upload.narinfo()))).status).toBe(201)
      const got = await fetch(`${proxy.url}/nix/nar/${upload.fileName}`)
      expect(Buffer.from(await got.arrayBuffer()).equals(upload.body)).toBe(true)
      expect((await world.fetch(`/nix/nar/${upload.fileName}`)).status).toBe(401)
      const { fingerprint } = zoo.key(kind, holder)
      expect(proxy.greeting).toContain(fingerprint)
      expect((await world.depot.kv.audit(0, 10_000)).at(-1)?.principal).toBe(fingerprint)
    })
  })

  it('leaves nothing at the depot when it is killed in an upload, which then succeeds from the start', async () => {
    const { dir } = zoo.world
    const before = await storedFiles(dir)
    const upload = await nixUpload(Buffer.alloc(8 * 1024 * 1024, 'cut'), { codec: 'none' })
    const target = `/nix/nar/${upload.fileName}`
    {
      await using proxy = await zoo.proxy('ed25519', 'file')
      const headers = { 'Content-Length': upload.body.byteLength }
      const outgoing = request(proxy.url + target, { method: 'PUT', headers })
      const failed = once(outgoing, 'error').catch(() => {})
      outgoing.write(upload.body.subarray(0, 6 * 1024 * 1024))
      await expect.poll(() => storedFiles(dir), { timeout: 10_000 }).not.toEqual(before)
      await proxy.stop('SIGKILL')
      await failed
    }
    await expect.poll(() => storedFiles(dir), { timeout: 10_000 }).toEqual(before)
    await using proxy = await zoo.proxy('ed25519', 'file')
    expect((await fetch(proxy.url + target)).status).toBe(404)
    expect((await put(proxy, target, upload.body)).status).toBe(201)
  })

  it('meets no bug of the depot, and no credentials that were not good', () => {
    expect(zoo.world.bugs).toEqual([])
    expect(zoo.world.badCredentials).toEqual([])
  })
})

describeWith(['openssh', 'nix', 'npm', 'pip', 'twine', 'python'], 'e2e/auth: clients through depot proxy', () => {
  describe.each([
    ['ed25519', 'agent'],
    ['rsa-3072', 'file'],
  ] as const)('with an %s key in its %s', (kind, holder) => {
    let zoo: Zoo
    let proxy: ProxyProcess

    beforeAll(async () => {
      zoo = await openZoo([kind])
      proxy = await zoo.proxy(kind, holder)
    })
    afterAll(async () => {
      await proxy[Symbol.asyncDispose]()
      await zoo[Symbol.asyncDispose]()
    })

    it('nix pushes and pulls', async () => {
      await using pusher = await nixClient()
      const [top = ''] = await pusher.build(closureExpression(4, kind))
      await pusher.push(`${proxy.url}/nix`, top)
      await using puller = await nixClient(zoo.world.publicKey)
      await puller.pull(`${proxy.url}/nix`, top)
      expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(4)
    })

    it('npm publishes and installs', async () => {
      await using npm = await npmClient('npm', `${proxy.url}/npm/`)
      const own = `by-${kind}`
      await publishFrom(npm, { name: own, version: '1.0.0' })
      const app = await npm.folder('app', { name: 'app', version: '0.0.0', dependencies: { [own]: '1.0.0' } })
      await npm.run(app, 'install')
      expect(createRequire(path.join(app, 'index.js'))(own)).toBe(`${own}@1.0.0`)
    })

    it('twine uploads and pip installs', async () => {
      await using client = await pythonClient()
      const [wheel = ''] = await client.save(buildWheel({ name: `by-${kind}`, version: '1.0' }))
      await client.ok(have.paths.twine, ['upload', '--disable-progress-bar', wheel], {
        TWINE_REPOSITORY_URL: `${proxy.url}/python/legacy/`,
        TWINE_USERNAME: '__token__',
        TWINE_PASSWORD: 'any',
      })
      const env = { PIP_INDEX_URL: `${proxy.url}/python/simple/` }
      const said = await client.ok(have.paths.pip, ['install', '--target', client.join('target'), `by-${kind}`], env)
      expect(said).toContain(`Successfully installed by-${kind}-1.0`)
    })
  })
})

describeWith(['openssh', 'npm'], 'e2e/auth: a lockfile that npm wrote through depot proxy', () => {
  it('names the proxy: without it, npm is told to replace the host', async () => {
    await using home = await tempDir('keys')
    const key = await makeKey(home.path, { kind: 'ed25519' })
    await using world = await startWorld({ authFile: `w ${key.type} ${key.base64}\n` })
    const proxy = await startProxyProcess([world.url, '--port', '0', '--identity', key.file])
    await using npm = await npmClient('npm', `${proxy.url}/npm/`)
    await publishFrom(npm, { name: 'locked', version: '1.0.0' })
    const app = await npm.folder('app', { name: 'app', version: '0.0.0', dependencies: { locked: '1.0.0' } })
    await npm.run(app, 'install')
    await proxy[Symbol.asyncDispose]()
    await rm(path.join(app, 'node_modules'), { recursive: true })

    await using direct = await npmClient('npm', `${world.url}/npm/`)
    expect(await direct.failure(app, 'ci')).toContain('ECONNREFUSED')
    await direct.run(app, 'ci', '--replace-registry-host=always')
    expect(createRequire(path.join(app, 'index.js'))('locked')).toBe('locked@1.0.0')
  })
})

async function openZoo(kinds: readonly KeyKind[]): Promise<Zoo> {
  const home = await tempDir('zoo')
  const keys = new Map<string, TestKey>()
  for (const kind of kinds) {
    for (const holder of HOLDERS) {
      const passphrase = holder === 'file with a passphrase' ? PASSPHRASE : ''
      keys.set(`${kind} ${holder}`, await makeKey(home.path, { kind, passphrase }, `${kind} ${holder}`))
    }
  }
  const key: Zoo['key'] = (kind, holder) => {
    const found = keys.get(`${kind} ${holder}`)
    if (found === undefined) throw new Error(`no ${kind}`)
    return found
  }
  const agent = await startAgent(kinds.map((kind) => key(kind, 'agent')))
  await writeFile(home.join('askpass'), `#!/bin/sh\necho '${PASSPHRASE}'\n`)
  await chmod(home.join('askpass'), 0o700)
  const lines = [...keys.values()].map(({ type, base64, comment }) => `w ${type} ${base64} ${comment}\n`)
  const world = await startWorld({ authFile: lines.join(''), settings: { 'read-auth': 'always' } })
  const environment: Readonly<Record<Holder, Readonly<Record<string, string>>>> = {
    file: {},
    'file with a passphrase': { SSH_ASKPASS: home.join('askpass'), SSH_ASKPASS_REQUIRE: 'force' },
    agent: { SSH_AUTH_SOCK: agent.socket },
  }
  return {
    world,
    key,
    proxy(kind, holder) {
      const { file, fingerprint } = key(kind, holder)
      const args = [world.url, '--port', '0', '--identity', holder === 'agent' ? fingerprint : file]
      return startProxyProcess(args, { SSH_AUTH_SOCK: home.join('no-agent'), ...environment[holder] })
    },
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      await agent[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

function put({ url }: ProxyProcess, target: string, body: Buffer): Promise<Response> {
  return fetch(url + target, { method: 'PUT', body: Uint8Array.from(body) })
}
