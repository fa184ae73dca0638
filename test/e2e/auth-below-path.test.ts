import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'

import { expect, it } from 'vitest'

import { cliUser, runAs } from '../helpers/cli-user.ts'
import { fillDepot } from '../helpers/fill-depot.ts'
import { describeWith, have } from '../helpers/have.ts'
import { reserveNginx } from '../helpers/nginx.ts'
import { nixUpload } from '../helpers/nix-upload.ts'
import { npmClient, npmrcLine, publishFrom, type NpmClient } from '../helpers/npm-client.ts'
import { startProxyProcess } from '../helpers/proxy-process.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { makeKey, type TestKey } from '../helpers/ssh-keys.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startWorld } from '../helpers/world.ts'

describeWith(['openssh', 'nginx', 'npm'], 'e2e/auth: a depot below a path of nginx', () => {
  it('takes logins that depot proxy made for that path, and tokens of plain clients', async () => {
    await using home = await tempDir('keys')
    const key = await makeKey(home.path, { kind: 'ecdsa-256' })
    await using nginx = await reserveNginx()
    const publicUrl = `${nginx.url}/team/depot`
    await using world = await startWorld({
      authFile: `w ${key.type} ${key.base64} owner@test\n`,
      settings: { 'public-url': publicUrl, 'read-auth': 'always' },
    })
    await nginx.start(`location /team/depot/ { proxy_pass ${world.url}/; proxy_request_buffering off; }`)
    await using proxy = await startProxyProcess([publicUrl, '--port', '0', '--identity', key.file])
    const upload = await nixUpload('below a path')
    expect(await put(`${proxy.url}/nix/nar/${upload.fileName}`, upload.body)).toBe(201)
    expect(await put(`${proxy.url}/nix/${upload.storeHash}.narinfo`, Buffer.from(upload.narinfo()))).toBe(201)
    expect((await fetch(`${proxy.url}/nix/${upload.storeHash}.narinfo`)).status).toBe(200)

    await using proxied = await npmClient('npm', `${proxy.url}/npm/`)
    await publishFrom(proxied, { name: '@below/path', version: '1.0.0' })
    await expectInstalls(proxied)
    const registry = `${publicUrl}/npm/`
    const token = await tokenOf(key, publicUrl)
    await using plain = await npmClient('npm', registry, [npmrcLine(registry, '_authToken', token)])
    await expectInstalls(plain)
    expect(world.badCredentials).toEqual([])
    expect(world.bugs).toEqual([])
  })
})

describeWith(
  ['openssh', 'nginx', 'nix', 'npm', 'pip', 'uv', 'python'],
  'e2e/auth: depot use below a path of nginx',
  () => {
    it('lets plain clients install from there', async () => {
      await using user = await cliUser()
      const { type, base64 } = await user.key()
      await using nginx = await reserveNginx()
      const publicUrl = `${nginx.url}/team/depot`
      await using world = await startWorld({
        authFile: `w ${type} ${base64} owner@test\n`,
        settings: { 'public-url': publicUrl, 'read-auth': 'always' },
      })
      await nginx.start(`location /team/depot/ { proxy_pass ${world.url}/; proxy_request_buffering off; }`)
      await user.ok(['login', publicUrl])
      const stored = await fillDepot(publicUrl, (await user.ok(['token', 'create', '--scope', '*:write:*'])).trim())
      await user.write('.config/nix/nix.conf', 'experimental-features = nix-command\nsubstituters =\n')
      await user.write('package.json', '{"name":"app","version":"0.0.0"}')
      await user.ok(['use'])

      await runAs(user, process.execPath, have.paths.npm, 'install', 'greeting')
      await runAs(user, have.paths.pip, 'install', '--target', user.join('by-pip'), 'greeting')
      const toPython = ['--python', have.paths.python, '--target', user.join('by-uv')]
      await runAs(user, have.paths.uv, 'pip', 'install', ...toPython, 'greeting')
      await runAs(user, have.paths.nix, 'build', '--no-link', '--store', user.join('store'), stored)
      expect(await user.read('node_modules/greeting/index.js')).toContain('greeting@1.0.0')
      expect(await user.read('by-pip/greeting.py')).toBe('VALUE = "hello"\n')
      expect(await user.read('by-uv/greeting.py')).toBe('VALUE = "hello"\n')
      expect(await user.read(`store${stored}`)).toBe('hello')
      expect(world.bugs).toEqual([])
    })
  },
)

async function put(url: string, body: Buffer): Promise<number> {
  return (await fetch(url, { method: 'PUT', body: Uint8Array.from(body) })).status
}

async function expectInstalls(npm: NpmClient): Promise<void> {
  const app = await npm.folder('app', { name: 'app', version: '0.0.0', dependencies: { '@below/path': '1.0.0' } })
  await npm.run(app, 'install')
  expect(createRequire(path.join(app, 'index.js'))('@below/path')).toBe('@below/path@1.0.0')
}

/** A token that reads npm, made by the command line. */
async function tokenOf(key: TestKey, url: string): Promise<string> {
  const args = ['token', 'create', url, '--name', 'plain', '--scope', 'npm:read:*', '--identity', key.file]
  const { stdout, stderr } = await runDepot(args)
  if (stdout === '') throw new Error(stderr)
  return stdout.trim()
}
