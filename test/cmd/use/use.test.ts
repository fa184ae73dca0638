import { execFile } from 'node:child_process'
import { mkdir, stat, symlink } from 'node:fs/promises'
import process from 'node:process'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

import { cliUser, depotFor, type CliUser } from '../../helpers/cli-user.ts'
import { describeWith, have } from '../../helpers/have.ts'
import { startServerProcess } from '../../helpers/server-process.ts'

const run = promisify(execFile)

const THEIRS = {
  '.netrc': '# mine\r\nmachine other.example login me password hunter2\r\ndefault login anonymous password x\r\n',
  '.npmrc': 'fund=false\nregistry=https://registry.example/\n//registry.example/:_authToken=${NPM_TOKEN}\n[other]\na=1',
  '.config/nix/nix.conf': 'experimental-features = nix-command\nsubstituters = https://cache.example # caf\xe9\n',
  '.config/pip/pip.conf': '[install]\nuser = no\n',
  '.config/uv/uv.toml': '# mine\noffline = false\n[[index]]\nname = "a"\nurl = "https://a.example/simple"\n',
}

async function filesOf(user: CliUser): Promise<Record<string, string | undefined>> {
  const found = Object.keys(THEIRS).map(async (name) => [name, await user.read(name)] as const)
  return Object.fromEntries(await Promise.all(found))
}

function withoutTokens(files: Readonly<Record<string, string | undefined>>): string {
  return JSON.stringify(files).replaceAll(/dpt_\w+/g, '<token>')
}

describeWith('openssh', 'depot use', () => {
  it('adds to what is there, changes nothing but the token the second time, and is undone by logout', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    for (const [name, content] of Object.entries(THEIRS)) await user.write(name, content)

    const plan = await user.ok(['use', depot.url, '--dry-run'])
    expect(plan).toContain('+machine 127.0.0.1 login depot password <secret>')
    expect(plan).not.toMatch(/dpt_|hunter2/)
    expect(await filesOf(user)).toEqual(THEIRS)
    expect(await user.ok(['token', 'list', depot.url])).not.toContain('depot use')

    await user.ok(['use', depot.url])
    const first = await filesOf(user)
    expect(first['.netrc']).toMatch(
      /^# mine\r\nmachine other\S* login me password hunter2\r\nmachine 127\.0\.0\.1 login depot password dpt_\w+\r\ndefault login anonymous password x\r\n$/,
    )
    expect(first['.config/nix/nix.conf']).toContain(`caf\xe9\nextra-substituters = ${depot.url}/nix\n`)
    expect((await stat(user.join('.netrc'))).mode & 0o777).toBe(0o600)
    expect((await stat(user.join('.npmrc'))).mode & 0o777).toBe(0o600)

    await user.ok(['use'])
    const second = await filesOf(user)
    expect(second).not.toEqual(first)
    expect(withoutTokens(second)).toBe(withoutTokens(first))
    const states = (await user.ok(['token', 'list', '--json'])).match(/"state":"\w+"/g)
    expect(states).toEqual(['"state":"good"', '"state":"revoked"'])

    await user.ok(['logout'])
    expect(await filesOf(user)).toEqual(THEIRS)
    expect((await user.ok(['token', 'list', depot.url, '--json'])).match(/"state":"revoked"/g)).toHaveLength(2)
  })

  it('writes no token where one is in the way of somebody else, and makes none', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.write('.netrc', 'machine 127.0.0.1 login me password hunter2\n')
    const { status, stderr } = await user.run(['use', depot.url, '--pip'])
    expect(status).toBe(1)
    expect(stderr).toContain('.netrc')
    expect(stderr).not.toContain('hunter2')
    expect(await user.read('.config/pip/pip.conf')).toBeUndefined()
    expect(await user.ok(['token', 'list', depot.url, '--json'])).toBe('')
  })

  it('writes through a symbolic link, into the netrc that nix.conf names, and only for the clients that were named', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key, words: ' scope=nix:*:*,npm:*:@acme/*' }])
    await mkdir(user.join('dotfiles'))
    await symlink('../../dotfiles/nix.conf', await folderOf(user, '.config/nix', 'nix.conf'))
    await user.write('dotfiles/nix.conf', `netrc-file = ${user.join('nix-netrc')}\n`)
    await user.ok(['use', depot.url, '--nix', '--write'])
    expect(await user.read('dotfiles/nix.conf')).toContain('extra-substituters')
    expect((await user.read('dotfiles/nix.conf'))?.match(/netrc-file/g)).toHaveLength(1)
    expect(await user.read('nix-netrc')).toMatch(/^machine 127\.0\.0\.1 /)
    expect([await user.read('.netrc'), await user.read('.npmrc')]).toEqual([undefined, undefined])
    expect(await user.ok(['token', 'list', depot.url, '--json'])).toContain('"grants":["nix:write:*"]')
  })

  it('leaves the clients that read the same netrc their rights when another one is set', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.ok(['use', depot.url, '--pip'])
    await user.ok(['use', depot.url, '--nix'])
    const token = /dpt_\w+/.exec((await user.read('.netrc')) ?? '')?.[0] ?? ''
    const authorization = `Basic ${Buffer.from(`depot:${token}`).toString('base64')}`
    const statuses = ['/python/simple/', '/nix/nix-cache-info', '/npm/-/whoami'].map(
      async (path) => (await fetch(`${depot.url}${path}`, { headers: { authorization } })).status,
    )
    expect(await Promise.all(statuses)).toEqual([200, 200, 200])
    const used = (await user.ok(['token', 'list', depot.url, '--json'])).split('\n').filter((line) => line !== '')
    expect(used.filter((line) => !line.includes('"state":"revoked"'))).toEqual([
      expect.stringContaining('"grants":["nix:read:*","python:read:*"]'),
    ])
  })

  it('says that a second depot on the same host takes the place in the netrc, and leaves it that at logout', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using one = await depotFor(user, [{ right: 'w', key }])
    await using two = await depotFor(user, [{ right: 'w', key }])
    await user.write('.npmrc', 'registry=https://registry.example/\n')
    await user.ok(['use', one.url, '--npm', '--pip'])
    const { stderr } = await user.run(['use', two.url, '--npm', '--pip'])
    expect(stderr).toContain(`${one.url} loses its place in the netrc`)
    expect(stderr).toContain(`registry was ${one.url}/npm/`)
    const [netrc, npmrc] = [await user.read('.netrc'), await user.read('.npmrc')]
    await user.ok(['logout', one.url])
    expect(await user.read('.netrc')).toBe(netrc)
    expect(await user.read('.npmrc')).toBe(npmrc?.replace(new RegExp(`${one.url.slice(5)}/npm/:_authToken=.*\n`), ''))
    await user.ok(['logout', two.url])
    expect(await user.read('.netrc')).toBe('')
    expect(await user.read('.npmrc')).toBe('registry=https://registry.example/\n')
  })

  it('asks for no token that could do nothing', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'r', key, words: ' scope=npm:read:*' }])
    const { status, stderr } = await user.run(['use', depot.url, '--nix'])
    expect(status).toBe(1)
    expect(stderr).toContain('lets you do nothing for nix')
  })

  it('writes only addresses for a depot that asks nobody for credentials', async () => {
    await using user = await cliUser()
    await using depot = await startServerProcess()
    await user.ok(['use', depot.url])
    const files = await filesOf(user)
    expect(JSON.stringify(files)).not.toMatch(/dpt_|_authToken|netrc-file|machine/)
    expect(files['.npmrc']).toBe(`registry=${depot.url}/npm/\n`)
    await user.ok(['logout', depot.url])
    expect((await filesOf(user))['.npmrc']).toBe('')
  })

  it('forgets a depot that is gone, and names the tokens that it could not revoke', async () => {
    await using user = await cliUser()
    const key = await user.key()
    const depot = await depotFor(user, [{ right: 'w', key }])
    await user.ok(['use', depot.url, '--npm'])
    await depot[Symbol.asyncDispose]()
    const { status, stderr } = await user.run(['logout'])
    expect(status).toBe(0)
    expect(stderr).toMatch(/not revoked.*: \w{12}\n/)
    expect(await user.read('.npmrc')).toBe('')
  })
})

describeWith(['openssh', 'npm', 'uv', 'python', 'nix'], 'the clients after depot use', () => {
  it('publish to and install from the depot', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.write('.config/nix/nix.conf', 'experimental-features = nix-command\n')
    await user.ok(['use', depot.url, '--write'])
    const env = { ...user.env, UV_PYTHON_DOWNLOADS: 'never' }
    const start = (file: string, args: readonly string[], cwd: string): Promise<unknown> =>
      run(file, args, { env, cwd })

    const npm = (...args: readonly string[]): readonly string[] => [have.paths.npm, ...args]
    await user.write('greeting/package.json', '{"name":"greeting","version":"1.0.0"}')
    await user.write('app/package.json', '{"name":"app","version":"1.0.0"}')
    await start(process.execPath, npm('publish'), user.join('greeting'))
    await start(process.execPath, npm('install', 'greeting'), user.join('app'))
    expect(await user.read('app/node_modules/greeting/package.json')).toContain('1.0.0')

    await start(have.paths.uv, ['init', '--lib', 'hello'], user.path)
    await start(have.paths.uv, ['build', 'hello'], user.path)
    const token = /dpt_\w+/.exec((await user.read('.netrc')) ?? '')?.[0] ?? ''
    await run(have.paths.uv, ['publish', '--publish-url', `${depot.url}/python/legacy/`], {
      env: { ...env, UV_PUBLISH_TOKEN: token },
      cwd: user.join('hello'),
    })
    await start(have.paths.python, ['-m', 'venv', 'venv'], user.path)
    await start(user.join('venv/bin/pip'), ['install', '--no-deps', 'hello'], user.path)
    await start(have.paths.uv, ['pip', 'install', '--target', 'by-uv', 'hello'], user.path)
    expect(await user.read('by-uv/hello/__init__.py')).toBeDefined()

    const note = await user.write('note.txt', 'hello')
    const nix = async (store: string, ...args: readonly string[]): Promise<string> =>
      (await run(have.paths.nix, [...args, '--store', user.join(store)], { env, cwd: user.path })).stdout.trim()
    const added = await nix('one', 'store', 'add-file', note)
    await nix('one', 'copy', '--to', `${depot.url}/nix`, added)
    await nix('two', 'copy', '--from', `${depot.url}/nix`, added)
    expect(await user.read(`two${added}`)).toBe('hello')
  })
})

async function folderOf(user: CliUser, folder: string, name: string): Promise<string> {
  await mkdir(user.join(folder), { recursive: true })
  return user.join(folder, name)
}
