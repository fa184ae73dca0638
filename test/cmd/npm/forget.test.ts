import { expect, it } from 'vitest'

import { cliUser, depotFor } from '../../helpers/cli-user.ts'
import { describeWith } from '../../helpers/have.ts'
import { publishOf, tarballOf } from '../../helpers/npm-fixtures.ts'

describeWith('openssh', 'depot npm forget', () => {
  it('lets a deleted version be published again, for an administrator', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.ok(['login', depot.url])
    const token = (await user.ok(['token', 'create', depot.url, '--scope', 'npm:*:*'])).trim()
    const ask = (method: string, path: string, body?: object) =>
      fetch(`${depot.url}/npm/${path}`, {
        method,
        headers: { authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const own = { name: '@acme/button', version: '1.0.0' }
    const publish = async () => (await ask('PUT', '@acme%2fbutton', publishOf(own, await tarballOf(own)))).status
    expect(await publish()).toBe(201)

    const live = await user.run(['npm', 'forget', '@acme/button@1.0.0'])
    expect([live.status, live.stderr]).toEqual([1, expect.stringMatching(/is not deleted/)])
    expect((await ask('DELETE', '@acme%2fbutton/1.0.0')).status).toBe(204)
    expect(await publish()).toBe(409)
    expect(await user.ok(['npm', 'forget', '@acme/button@1.0.0', depot.url])).toMatch(
      /^@acme\/button@1\.0\.0 was deleted on \d{4}-\d\d-\d\d, and may be published again\n$/,
    )
    expect(await publish()).toBe(201)

    const free = await user.run(['npm', 'forget', 'button@2.0.0'])
    expect([free.status, free.stderr]).toEqual([1, expect.stringMatching(/nobody deleted button@2\.0\.0/)])
    for (const args of [[], ['button'], ['button@latest'], ['@1.0.0'], ['a@1.0.0', depot.url, 'b@1.0.0']])
      expect([args, (await user.run(['npm', 'forget', ...args])).status]).toEqual([args, 2])
  })

  it('is not for those who may only write and delete', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.ok(['login', depot.url])
    const scopes = ['--scope', 'npm:write:*', '--scope', 'npm:delete:*']
    const token = (await user.ok(['token', 'create', depot.url, ...scopes])).trim()
    const refused = await user.run(['npm', 'forget', 'a@1.0.0', depot.url], { DEPOT_AUTH_TOKEN: token })
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/do not permit/)])
  })
})
