import { stat } from 'node:fs/promises'

import { expect, it } from 'vitest'

import { cliUser, depotFor } from '../../helpers/cli-user.ts'
import { describeWith } from '../../helpers/have.ts'

describeWith('openssh', 'depot token', () => {
  it('makes, lists and revokes tokens, and shows a secret once', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.ok(['login', depot.url])
    const one = (
      await user.ok(['token', 'create', '--name', 'one', '--scope', 'npm:read:*', '--scope', 'nix:*:*'])
    ).trim()
    const two = (await user.ok(['token', 'create', '--name', 'two', '--expires', '12h'])).trim()
    expect(one).toMatch(/^dpt_\w+$/)

    const listed = await user.ok(['token', 'list', '--json'])
    const infos = listed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(infos).toMatchObject([
      { name: 'two', grants: ['*:read:*'], state: 'good' },
      { name: 'one', grants: ['npm:read:*', 'nix:*:*'], state: 'good' },
    ])
    expect(Number(infos[0]?.['expiresAt']) - Number(infos[0]?.['createdAt'])).toBe(12 * 3600 * 1000)
    const [first, second] = infos.map(({ id }) => String(id))
    expect(await user.ok(['token', 'revoke', first ?? '', second ?? ''])).toBe(`revoked ${first}\nrevoked ${second}\n`)
    const table = await user.ok(['token', 'list'])
    expect(table).toMatch(/^id +name +grants +created +expires +last used +state\n/)
    expect(table.match(/revoked$/gm)).toHaveLength(2)
    expect(listed + table).not.toContain(one.slice(17))
    expect((await user.run(['whoami'], { DEPOT_AUTH_TOKEN: two })).status).toBe(1)
  })

  it('refuses what its maker may not do, what is no time, and an id that is none without repeating it', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'r', key }])
    await user.ok(['login', depot.url])
    expect(await user.run(['token', 'create', '--scope', 'npm:write:*'])).toMatchObject({ status: 1, stdout: '' })
    const misspelt = await user.run(['token', 'create', '--scope', 'nmp:read:*'])
    expect(misspelt.stderr).toContain('npm')
    expect((await user.run(['token', 'create', '--expires', 'never'])).status).toBe(2)
    expect((await user.run(['token', 'create', '--print', 'nmprc'])).status).toBe(2)
    const secret = await user.run(['token', 'revoke', 'dpt_secret'])
    expect(secret.status).toBe(2)
    expect(secret.stderr).not.toContain('dpt_secret')
    expect((await user.run(['token', 'revoke', '000000000000'])).status).toBe(1)
    expect((await user.run(['token', 'revoke'])).status).toBe(2)
  })

  it('writes into a netrc and an npmrc beside what is there, and keeps them to their owner', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.ok(['login', depot.url])
    const netrc = await user.write('netrc', 'machine other login a password b\n')
    await user.ok(['token', 'create', '--print', 'netrc', '--output', netrc])
    await user.ok(['token', 'create', '--print', 'netrc', '--output', netrc])
    expect(await user.read('netrc')).toMatch(
      /^machine other login a password b\nmachine 127\.0\.0\.1 login depot password dpt_\w+\n$/,
    )
    expect((await stat(netrc)).mode & 0o777).toBe(0o600)
    const npmrc = await user.write('npmrc', '# mine\nfund=false\n')
    await user.ok(['token', 'create', '--print', 'npmrc', '--output', npmrc])
    expect(await user.read('npmrc')).toMatch(
      /^# mine\nfund=false\nregistry=\S+\/npm\/\n\/\/\S+\/npm\/:_authToken=dpt_\w+\n$/,
    )
    const before = (await user.ok(['token', 'list', '--json'])).split('\n').length
    await user.write('netrc', 'machine 127.0.0.1 login me password hunter2\n')
    const refused = await user.run(['token', 'create', '--print', 'netrc', '--output', netrc])
    expect(refused.status).toBe(1)
    expect(refused.stderr).not.toContain('hunter2')
    expect((await user.ok(['token', 'list', '--json'])).split('\n')).toHaveLength(before)
    expect((await user.run(['token', 'create', '--print', 'pip', '--output', netrc])).status).toBe(2)
  })

  it('prints what goes into the files of each client', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    for (const format of ['netrc', 'npmrc', 'pip', 'uv', 'nix', 'env']) {
      const stdout = await user.ok(['token', 'create', depot.url, '--print', format])
      expect(stdout).toContain('dpt_')
      expect(stdout).toMatch(format === 'netrc' ? /^machine 127\.0\.0\.1 / : new RegExp(depot.url))
      expect(stdout).not.toMatch(/:\/\/[^/\s]*@/)
      if (format === 'nix') expect(stdout).toMatch(/^extra-trusted-public-keys = depot-\w+-1:/m)
    }
  })
})
