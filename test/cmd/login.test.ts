import { chmod, stat } from 'node:fs/promises'
import { hostname } from 'node:os'

import { expect, it } from 'vitest'

import { cliUser, depotFor } from '../helpers/cli-user.ts'
import { describeWith } from '../helpers/have.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { startAgent } from '../helpers/ssh-keys.ts'

describeWith('openssh', 'depot login', () => {
  it('finds the key that the depot knows among those in the agent, and remembers both, but no secret', async () => {
    await using user = await cliUser()
    const stranger = await user.key({ comment: 'stranger' }, 'id_one')
    const known = await user.key({ kind: 'ecdsa-384', comment: 'known' }, 'id_two')
    await using depot = await depotFor(user, [{ right: 'w', key: known }])
    await using agent = await startAgent([stranger, known])

    const stdout = await user.ok(['login', `${depot.url}/npm/`], { SSH_AUTH_SOCK: agent.socket })
    expect(stdout).toBe(`logged in to ${depot.url} as known (${known.type} ${known.fingerprint}), with *:*:*\n`)
    expect(JSON.parse((await user.read('.config/depot/profiles.json')) ?? '')).toEqual({
      current: depot.url,
      depots: { [depot.url]: { identity: known.fingerprint } },
    })
    expect((await stat(user.join('.config/depot/profiles.json'))).mode & 0o777).toBe(0o600)
    expect((await stat(user.join('.config/depot'))).mode & 0o777).toBe(0o700)
    expect(await user.ok(['whoami'], { SSH_AUTH_SOCK: agent.socket })).toContain(known.fingerprint)
  })

  it('says who was refused, and shows the line that would let them in', async () => {
    await using user = await cliUser()
    const known = await user.key({ comment: 'known' }, 'id_known')
    const mine = await user.key({ comment: 'me at home' })
    await using depot = await depotFor(user, [{ right: 'w', key: known }])
    const { status, stderr } = await user.run(['login', depot.url], { USER: 'me' })
    expect(status).toBe(1)
    expect(stderr).toContain(`tried ssh-ed25519 ${mine.fingerprint} ${mine.file}`)
    expect(stderr).toContain(`\n  w ssh-ed25519 ${mine.base64} me@${hostname()}\n`)
    expect(stderr).not.toContain('clock')
    expect(await user.read('.config/depot/profiles.json')).toBeUndefined()
  })

  it('says how far the clocks are apart, when they are', async () => {
    await using user = await cliUser()
    await user.key()
    await using depot = await startUpstream((_, response) =>
      response.writeHead(401, { date: new Date(Date.now() + 600_000).toUTCString() }).end('{"error":"no"}'),
    )
    const { status, stderr } = await user.run(['whoami', depot.url])
    expect(status).toBe(1)
    expect(stderr).toMatch(/clock is (?:59\d|600) s behind the depot's/)
  })

  it('says that there is no key, where there is none', async () => {
    await using user = await cliUser()
    const key = await user.key({}, 'elsewhere')
    await using depot = await depotFor(user, [{ right: 'w', key }])
    const { status, stderr } = await user.run(['login', depot.url])
    expect(status).toBe(1)
    expect(stderr).toContain('ssh-keygen -t ed25519')
  })

  it('asks for a passphrase by the program of SSH_ASKPASS', async () => {
    await using user = await cliUser()
    const key = await user.key({ passphrase: 'open sesame' })
    await using depot = await depotFor(user, [{ right: 'r', key }])
    const askpass = await user.write('askpass', '#!/bin/sh\necho "$1" >> "$HOME/asked"\necho open sesame\n')
    await chmod(askpass, 0o700)
    expect((await user.run(['login', depot.url])).stderr).toContain('passphrase')
    expect(await user.ok(['login', depot.url], { SSH_ASKPASS: askpass })).toContain('with *:read:*')
    expect((await user.read('asked'))?.match(/id_ed25519/g)).toHaveLength(1)
    const wrong = await user.write('wrong', '#!/bin/sh\necho close barley\n')
    await chmod(wrong, 0o700)
    const { status, stderr } = await user.run(['whoami'], { SSH_ASKPASS: wrong })
    expect(status).toBe(1)
    expect(stderr).not.toContain('barley')
  })

  it('remembers a key that was named, by its whole path', async () => {
    await using user = await cliUser()
    await user.key({ comment: 'usual' })
    const work = await user.key({ comment: 'work' }, 'id_work')
    await using depot = await depotFor(user, [{ right: 'w', key: work }])
    await user.ok(['login', depot.url, '--identity', '~/.ssh/id_work'])
    expect(await user.ok(['whoami', '--json'])).toContain(work.fingerprint)
    expect((await user.run(['whoami', '--identity', user.join('.ssh/id_ed25519')])).status).toBe(1)
  })

  it('approves a login of npm by its code', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    const started = await fetch(`${depot.url}/npm/-/v1/login`, { method: 'POST', body: '{}' })
    const { loginUrl } = (await started.json()) as { loginUrl: string }
    const page = await (await fetch(loginUrl)).text()
    const code = /[A-Z0-9]{4}-[A-Z0-9]{4}/.exec(`${loginUrl} ${page}`)?.[0] ?? ''

    const refused = await user.run(['login', depot.url, '--approve', code])
    expect(refused.status).toBe(2)
    expect(refused.stderr).toContain('*:*:*')
    expect(await user.ok(['login', depot.url, '--approve', code, '--yes'])).toMatch(/^approved: /)
    expect((await user.run(['login', depot.url, '--approve', code, '--yes'])).status).toBe(1)
  })

  it('remembers a depot that asks nobody for credentials, and signs nothing for it', async () => {
    await using user = await cliUser()
    await using depot = await startServerProcess()
    expect(await user.ok(['login', depot.url])).toContain('asks nobody for credentials')
    expect(await user.ok(['whoami'])).toContain('anonymous')
    expect(await user.ok(['logout'])).toContain('logged out')
    expect((await user.run(['whoami'])).status).toBe(2)
  })
})

describeWith('openssh', 'depot whoami', () => {
  it('takes a token of DEPOT_AUTH_TOKEN, and says when it is not good', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key, words: ' scope=npm:*:*' }])
    const token = (await user.ok(['token', 'create', depot.url, '--scope', 'npm:read:*', '--name', 'ci'])).trim()
    const env = { DEPOT_AUTH_TOKEN: token, DEPOT_URL: depot.url }
    const said = JSON.parse(await user.ok(['whoami', '--json'], env)) as unknown
    expect(said).toMatchObject({
      url: depot.url,
      principal: { name: 'ci', key: key.fingerprint },
      grants: ['npm:read:*'],
    })
    const text = await user.ok(['whoami'], env)
    expect(text).toMatch(/until \d{4}-/)

    const { status, stderr } = await user.run(['whoami'], { ...env, DEPOT_AUTH_TOKEN: `${token}x` })
    expect(status).toBe(1)
    expect(stderr).not.toContain(token)
    expect((await user.run(['whoami'], { ...env, DEPOT_AUTH_TOKEN: 'two words' })).stderr).not.toContain('two words')
  })

  it('says which depot it cannot reach', async () => {
    await using user = await cliUser()
    const { status, stderr } = await user.run(['whoami', 'http://127.0.0.1:1'])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^depot: http:\/\/127\.0\.0\.1:1 cannot be reached\n/)
  })
})
