import { chmod, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

import { expect, it } from 'vitest'

import { cliUser } from '../helpers/cli-user.ts'
import { forge, loginFor, makeLoginKey } from '../helpers/forged-logins.ts'
import { makeToken } from '../helpers/guarded-routes.ts'
import { describeWith } from '../helpers/have.ts'
import { startProxyProcess } from '../helpers/proxy-process.ts'
import { rawRequest, type RawRequest } from '../helpers/raw-http.ts'
import { startServerProcess } from '../helpers/server-process.ts'

const PASSPHRASE = 'canary-of-a-passphrase'

/** What must never be found anywhere, by what it is. */
type Secrets = Map<string, string>

/** All bytes of a server's data: database, journal, blobs. */
async function dataOf(directory: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => path.join(parentPath, name))
  return new Map(
    await Promise.all(files.map(async (file) => [path.relative(directory, file), await readFile(file)] as const)),
  )
}

/** The secret itself, and the ways in which clients wrap it. */
function spellings(secret: string): string[] {
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.from('x'.repeat(shift) + secret).toString('base64')
    return text.slice(shift === 0 ? 0 : 4, -4)
  })
  return [secret, ...base64, encodeURIComponent(secret), Buffer.from(secret).toString('hex')]
}

function hits(secrets: Secrets, places: ReadonlyMap<string, Buffer | string>): string[] {
  const found: string[] = []
  for (const [place, content] of places)
    for (const [what, secret] of secrets)
      if (spellings(secret).some((text) => content.includes(text))) found.push(`${what} in ${place}`)
  return found
}

const secretOf = (token: string) => token.split('_').at(-2) ?? ''
const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

/** A credential wherever people and programs put one by mistake. */
function misplaced(credential: string): readonly RawRequest[] {
  const json = { 'Content-Type': 'application/json' }
  return [
    ...['/nix/nix-cache-info', '/npm/a', '/python/simple/', '/nowhere', '/-/session'].flatMap((at) => [
      { path: `${at}?token=${credential}` },
      { path: `${at}?${credential}` },
      { path: `${at}#${credential}` },
    ]),
    { path: `/${credential}` },
    { path: `/npm/${credential}` },
    { path: `/npm/@${credential}/a` },
    { path: `/npm/a/${credential}` },
    { path: `/npm/a/-/${credential}.tgz` },
    { path: `/nix/${credential}.narinfo` },
    { path: `/nix/nar/${credential}.nar` },
    { path: `/python/simple/${credential}/` },
    { path: `/python/files/a/${credential}` },
    { path: `/-/tokens/${credential}` },
    { path: `/npm/-/v1/done/${credential}` },
    { path: `/${credential}%` },
    { path: `/${credential}%00` },
    { path: `/../${credential}` },
    { path: `/x\\${credential}` },
    { path: `/npm/-/user/token/${credential}/x` },
    { path: `http://user:${credential}@depot.example/npm/a` },
    { path: `/%${(credential.codePointAt(0) ?? 0).toString(16)}${credential.slice(1)}` },
    { path: `/npm/-/user/token/${credential.replaceAll('_', '%5f').replaceAll('.', '%2e')}` },
    { method: credential.slice(0, 20).replaceAll(/[^A-Za-z]/g, ''), path: '/' },
    ...['PUT', 'DELETE', 'PATCH', 'POST'].flatMap((method) =>
      [
        `/npm/${credential}`,
        `/python/${credential}/a`,
        `/-/tokens/${credential}`,
        `/-/logins/${credential}`,
        `/npm/a/-/${credential}`,
      ].map((at) => ({ method, path: at, body: '{}' })),
    ),
    ...[
      'User-Agent',
      'Origin',
      'Referer',
      'Cookie',
      'X-Forwarded-For',
      'X-Request-Id',
      'If-None-Match',
      'Range',
      'Accept',
      'Accept-Encoding',
      'Content-Encoding',
      'Content-Type',
      'npm-command',
      'Host',
    ].flatMap((name) =>
      ['GET', 'PUT'].map((method) => ({
        method,
        path: '/npm/a',
        headers: { [name]: credential },
        ...(method === 'PUT' ? { body: '{}' } : {}),
      })),
    ),
    ...[
      credential,
      `Token ${credential}`,
      `Bearer ${credential}x`,
      `Bearer  ${credential} x`,
      basic(credential, ''),
      basic(credential, 'x'),
      basic('a', `${credential}x`),
      `Basic ${credential}`,
      `Digest response="${credential}"`,
    ].flatMap((Authorization) => [
      { path: '/npm/a', headers: { Authorization } },
      { method: 'PUT', path: '/npm/a', headers: { Authorization }, body: '{}' },
    ]),
    {
      method: 'PUT',
      path: '/npm/-/user/org.couchdb.user:a',
      headers: json,
      body: JSON.stringify({ name: 'a', password: `${credential}x` }),
    },
    { method: 'PUT', path: `/npm/-/user/org.couchdb.user:${credential}`, headers: json, body: '{}' },
    {
      method: 'POST',
      path: '/npm/-/v1/login',
      headers: { ...json, 'User-Agent': credential },
      body: JSON.stringify({ hostname: credential }),
    },
  ]
}

/** Changes that are refused, or fail, with a credential in the body. */
function inBodies(credential: string, authorization: (method: string, path: string) => string): readonly RawRequest[] {
  const bodies = [
    credential,
    JSON.stringify(credential),
    JSON.stringify({ [credential]: credential }),
    `{"name":"${credential}`,
    JSON.stringify({ name: credential, grants: [credential] }),
    JSON.stringify({ name: credential, grants: ['npm:read:*'] }),
    `StorePath: ${credential}\n`,
  ]
  const paths = [
    ['PUT', '/npm/a'],
    ['PUT', '/npm/a/1.0.0'],
    ['PUT', `/nix/${'0'.repeat(32)}.narinfo`],
    ['PUT', '/nix/nix-cache-info'],
    ['POST', '/python/legacy/'],
    ['PUT', '/python/a/a-1.0.tar.gz.json'],
    ['POST', '/-/tokens'],
    ['POST', '/npm/-/npm/v1/tokens'],
    ['PUT', `/npm/${credential.slice(0, 200)}`],
  ] as const
  return paths.flatMap(([method, at]) =>
    bodies.map((body) => ({
      method,
      path: at,
      body,
      headers: {
        Authorization: authorization(method, at),
        'User-Agent': credential,
        'Content-Type':
          at === '/python/legacy/' ? `multipart/form-data; boundary=${credential.slice(0, 60)}` : 'application/json',
      },
    })),
  )
}

describeWith('openssh', 'a whole story with secrets', () => {
  it('leaves none of them in a log, an answer, the database, the blobs or what programs print', async () => {
    await using user = await cliUser()
    const [owner, reader] = [makeLoginKey(), makeLoginKey()]
    const sshKey = await user.key({ passphrase: PASSPHRASE })
    const authFile = await user.write(
      'auth-file',
      `w ${owner.line}\nr ${reader.line}\nw ${sshKey.type} ${sshKey.base64} person\n`,
    )
    const askpass = await user.write('askpass', `#!/bin/sh\necho ${PASSPHRASE}\n`)
    await chmod(askpass, 0o700)
    await using depot = await startServerProcess({ args: ['--auth-file', authFile, '--verbose'] })
    const secrets: Secrets = new Map([['the passphrase', PASSPHRASE]])
    const privateKey = await readFile(sshKey.file, 'utf8')
    secrets.set('the private key', privateKey.split('\n').at(-4) ?? '')
    const printed = new Map<string, string>()
    const answers: string[] = []

    const send = async (request: RawRequest): Promise<string> => {
      const { status, headers, body } = await rawRequest(depot.url, request).catch((error: unknown) => ({
        status: 0,
        headers: {},
        body: String(error),
      }))
      expect(status).toBeLessThan(500)
      return JSON.stringify(headers) + body.toString()
    }

    // People log in and make tokens.
    const env = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' }
    printed.set('depot login', JSON.stringify(await user.run(['login', depot.url], env)))
    printed.set('depot whoami', JSON.stringify(await user.run(['whoami'], env)))
    const made = await user.run(['token', 'create', '--scope', '*:*:*', '--print', 'token'], env)
    const token = made.stdout.trim()
    expect(token).toMatch(/^dpt_/)
    secrets.set('a token', secretOf(token))
    printed.set('depot token create', made.stderr)
    const written = await user.run(['token', 'create', '--print', 'npmrc', '--output', user.join('.npmrc')], env)
    secrets.set('the token of .npmrc', secretOf(/dpt_\w+/.exec((await user.read('.npmrc')) ?? '')?.[0] ?? ''))
    printed.set('depot token create --output', written.stdout + written.stderr)
    printed.set(
      'depot token list',
      JSON.stringify(await user.run(['token', 'list', '--json'], { DEPOT_AUTH_TOKEN: token })),
    )
    printed.set(
      'depot with a bad token',
      JSON.stringify(await user.run(['whoami', depot.url], { DEPOT_AUTH_TOKEN: `${token}x` })),
    )
    printed.set(
      'depot at nobody',
      JSON.stringify(await user.run(['whoami', 'http://127.0.0.1:1'], { DEPOT_AUTH_TOKEN: token })),
    )

    // A client logs in with a code.
    const started = await send({ method: 'POST', path: '/npm/-/v1/login', body: '{}' })
    const done = /\/npm\/-\/v1\/done\/dpt_\w+/.exec(started)?.[0] ?? ''
    const code = /\/login\/(?<code>[A-Z-]{9})/.exec(started)?.groups?.['code'] ?? ''
    secrets.set('the secret of a waiting login', done.split('_').at(-1) ?? '')
    answers.push(await send({ path: done }), await send({ method: 'HEAD', path: done }))
    printed.set(
      'depot login --approve',
      JSON.stringify(await user.run(['login', depot.url, '--approve', code, '--yes'], env)),
    )
    const collected = /dpt_\w{12}_\w+/.exec(await send({ path: done }))?.[0] ?? ''
    expect(collected).toMatch(/^dpt_\w{12}_\w{43}_/)
    secrets.set('the token of a login with a code', secretOf(collected))
    answers.push(await send({ path: done }))

    // Programs use them, rightly and wrongly.
    const second = await makeToken(depot.url, owner, ['npm:*:*'])
    const login = forge(owner, depot.url)
    secrets.set('another token', secretOf(second)).set('the signature of a login', login.split('.')[2] ?? '')
    for (const authorization of [`Bearer ${token}`, basic('a', token), `Bearer ${login}`, basic('a', login)])
      answers.push(await send({ path: '/-/session', headers: { Authorization: authorization } }))
    const asReader = (method: string, at: string) => `Bearer ${loginFor(reader, depot.url, method, at)}`
    const asOwner = (method: string, at: string) => `Bearer ${loginFor(owner, depot.url, method, at)}`
    for (const credential of [token, second, login, collected]) {
      for (const request of misplaced(credential)) answers.push(await send(request))
      for (const request of [
        ...inBodies(credential, asReader),
        ...inBodies(credential, asOwner),
        ...inBodies(credential, () => `Bearer ${credential}`),
      ]) {
        const answer = await send(request)
        const fresh = /dpt_\w{12}_\w{43}_\w{6}/.exec(answer)?.[0]
        if (fresh !== undefined && ![token, second].includes(fresh))
          secrets.set(`a token made of ${request.body?.toString()}`, secretOf(fresh))
        else answers.push(answer)
      }
    }

    await send({
      method: 'PUT',
      path: '/npm/-/user/org.couchdb.user:a',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'a', password: second }),
    })

    // Somebody works through the proxy.
    {
      await using proxy = await startProxyProcess([depot.url, '--port', '0'], { DEPOT_AUTH_TOKEN: token })
      for (const request of [...misplaced(second), { path: '/-/session' }])
        await rawRequest(proxy.url, request).catch(() => {})
      expect((await rawRequest(proxy.url, { path: '/-/session' })).body.toString()).toContain('token:')
      await proxy.stop('SIGTERM')
      printed.set('depot proxy', proxy.greeting + proxy.logs())
    }
    for (const each of [second, collected])
      answers.push(await send({ method: 'DELETE', path: `/npm/-/user/token/${each}` }))
    answers.push(
      await send({
        method: 'DELETE',
        path: `/npm/-/npm/v1/tokens/token/${token}`,
        headers: { Authorization: `Bearer ${token}` },
      }),
    )

    expect(secrets.size).toBeGreaterThan(7)
    for (const secret of secrets.values()) expect(secret.length).toBeGreaterThan(20)
    printed.set('depot audit', JSON.stringify(await user.run(['audit', 'list', '--store-path', depot.dataDir])))
    expect(hits(secrets, new Map(answers.map((text, index) => [`answer ${index}: ${text}`, text])))).toEqual([])
    expect(hits(secrets, await dataOf(depot.dataDir))).toEqual([])
    await depot.stop('SIGTERM')
    expect(depot.logs()).toContain('credentials refused')
    expect(hits(secrets, new Map([...printed, ['stderr', depot.logs()], ['stdout', depot.greeting]]))).toEqual([])
    expect(hits(secrets, await dataOf(depot.dataDir))).toEqual([])
    // That it would have been found.
    expect(
      hits(
        secrets,
        new Map([
          ['a file', privateKey],
          ['a header', basic('someone', token)],
          ['a line', `?${encodeURIComponent(token)}`],
        ]),
      ),
    ).toHaveLength(3)
  }, 120_000)
})
