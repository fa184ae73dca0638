import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import process from 'node:process'

import { describe, expect, it } from 'vitest'

import { SYSTEM_CACHE } from '../../src/kv-store.ts'
import { startAccountWorld, type AccountWorld } from '../helpers/account-world.ts'
import { cleanEnv } from '../helpers/clean-env.ts'
import { describeWith, have } from '../helpers/have.ts'
import { npmClient, publishFrom, type NpmClient } from '../helpers/npm-client.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const WITHOUT_PASSWORD = '--password=unused'

/** Approve the one login that waits, as `depot login --approve` does. Resolves with its code. */
async function approveNext(world: AccountWorld, token: string): Promise<string> {
  const waiting = () => world.depot.kv.list(SYSTEM_CACHE.id, 'auth-web-login', { from: '', limit: 10 })
  await expect.poll(waiting, { timeout: 30_000 }).toHaveLength(1)
  const [login] = await waiting()
  const code = login?.key ?? ''
  const answer = await world.ask('POST', `/-/logins/${code}`, token)
  expect(answer.status).toBe(200)
  return `${code.slice(0, 4)}-${code.slice(4)}`
}

/** Let the client log in over the web, with the token approving it. */
async function logIn(world: AccountWorld, client: NpmClient, folder: string, token: string): Promise<void> {
  const login = client.run(folder, 'login')
  // A failure shows where it is awaited.
  login.catch(() => {})
  const code = await approveNext(world, token)
  const output = await login
  expect(output).toContain(`/-/v1/login/${code}`)
  expect(output).toContain('Logged in on')
}

describe.each(['npm', 'npm12'] as const)('%s', (name) => {
  describeWith(name, `e2e/npm-accounts: ${name}`, () => {
    it.each(['/npm/', '/'])('logs in over the web at %s, publishes, and logs out', async (mount) => {
      await using world = await startAccountWorld()
      await using npm = await npmClient(name, world.url + mount)
      const { token } = await world.token('*:*:*', 2)
      const folder = await npm.folder('any', { name: 'any', version: '0.0.0', private: true })
      expect(await npm.failure(folder, 'whoami')).toMatch(/E401|ENEEDAUTH/)

      await logIn(world, npm, folder, token)
      expect(await npm.run(folder, 'whoami')).toMatch(/^npm\/\d/)
      await publishFrom(npm, { name: '@acme/button', version: '1.0.0' })
      expect(await npm.run(folder, 'view', '@acme/button', 'version')).toBe('1.0.0\n')
      // Key 2 has no right to other names, so neither has its login.
      await expect(publishFrom(npm, { name: 'left-pad', version: '1.0.0' })).rejects.toThrow('E403')

      expect(await npm.run(folder, 'profile', 'get')).toMatch(/^name: npm\/\d[^]*email: .*unverified/)
      expect(JSON.parse(await npm.run(folder, 'profile', 'get', '--json'))).toMatchObject({ tfa: false })

      await npm.run(folder, 'logout')
      expect(await npm.failure(folder, 'whoami')).toMatch(/ENEEDAUTH/)
      const tokens = await world.ask('GET', '/-/tokens', token)
      const [login] = ((await tokens.json()) as { tokens: { revokedAt?: number }[] }).tokens
      expect(login?.revokedAt).toBeTypeOf('number')
      expect(world.bugs).toEqual([])
    })

    it('makes, lists and revokes tokens', async () => {
      await using world = await startAccountWorld()
      await using npm = await npmClient(name, `${world.url}/npm/`)
      const { token } = await world.token('*:*:*')
      const folder = await npm.folder('any', { name: 'any', version: '0.0.0', private: true })
      await logIn(world, npm, folder, token)
      const list = async () =>
        JSON.parse(await npm.run(folder, 'token', 'list', '--json')) as { key: string; name: string }[]
      const create = async (...args: readonly string[]) => {
        const made = await npm.run(folder, 'token', 'create', WITHOUT_PASSWORD, '--json', ...args)
        return JSON.parse(made) as { token: string; readonly: boolean }
      }
      expect(await list()).toHaveLength(1)

      const first = await create('--name=ci')
      const second = await create('--name=reader', '--packages-and-scopes-permission=read-only', '--scopes=@acme')
      expect([first.readonly, second.readonly]).toEqual([false, true])
      expect((await list()).map((each) => each.name)).toEqual(expect.arrayContaining(['ci', 'reader']))
      expect((await world.ask('GET', '/npm/-/whoami', first.token)).status).toBe(200)
      expect(await npm.run(folder, 'token', 'list')).toMatch(/Token dpt_\w{12}… with id \w+ name reader created \d/)

      await npm.run(folder, 'token', 'revoke', (await list()).find((each) => each.name === 'ci')?.key ?? '')
      await npm.run(folder, 'token', 'revoke', second.token)
      for (const { token: gone } of [first, second])
        expect((await world.ask('GET', '/npm/-/whoami', gone)).status).toBe(401)
      expect(await list()).toHaveLength(1)
      expect(await npm.failure(folder, 'token', 'create', WITHOUT_PASSWORD, '--cidr=10.0.0.0/8')).toContain('E400')
      expect(world.bugs).toEqual([])
    })

    it('takes a token as the password of its old login, and no other word', { timeout: 60_000 }, async () => {
      await using world = await startAccountWorld({ blobs: 'memory' })
      const { token } = await world.token('npm:read:*')
      const registry = `${world.url}/npm/`
      const good = await typedLogin(have.paths[name], registry, ['anna', token])
      expect(good.npmrc).toContain(`:_authToken=${token}`)
      const bad = await typedLogin(have.paths[name], registry, ['anna', 'secret'])
      expect(bad.output).toContain('E401')
      expect(bad.npmrc).toBe('')
    })
  })
})

describe.each(['pnpm', 'pnpmOld'] as const)('%s', (name) => {
  // The old one hands its login to npm.
  describeWith(name === 'pnpm' ? name : [name, 'npm'], `e2e/npm-accounts: ${name}`, () => {
    it('logs in over the web, and knows who it is', async () => {
      await using world = await startAccountWorld({ blobs: 'memory' })
      const registry = `${world.url}/npm/`
      await using pnpm = await npmClient(name, registry)
      const { token } = await world.token('*:*:*')
      const folder = await pnpm.folder('any', { name: 'any', version: '0.0.0', private: true })
      const login = pnpm.run(folder, 'login', '--registry', registry)
      login.catch(() => {})
      await approveNext(world, token)
      await login
      expect(await pnpm.run(folder, 'whoami', '--registry', registry)).toMatch(/^p?npm\/\d/)
      await pnpm.run(folder, 'logout', '--registry', registry)
      await pnpm.failure(folder, 'whoami', '--registry', registry)
      expect(world.bugs).toEqual([])
    })
  })
})

/** `npm login --auth-type=legacy` with somebody who types each answer when npm asks. */
async function typedLogin(
  npm: string,
  registry: string,
  answers: readonly string[],
): Promise<{ output: string; npmrc: string }> {
  await using home = await tempDir('typed')
  const env = cleanEnv(home.path, { npm_config_registry: registry, npm_config_update_notifier: 'false' })
  const child = spawn(process.execPath, [npm, 'login', '--auth-type=legacy'], { cwd: home.path, env })
  const left = [...answers]
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    let line = ''
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      // A prompt may come in pieces.
      line = (line + text).split('\n').at(-1) ?? ''
      if (!/(?:Username|Password): $/.test(line)) return
      line = ''
      child.stdin.write(`${left.shift() ?? ''}\n`)
    })
  }
  await once(child, 'close')
  return { output, npmrc: await readFile(home.join('.npmrc'), 'utf8').catch(() => '') }
}
