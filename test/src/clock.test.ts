import { expect, it } from 'vitest'

import { makeLoginKey } from '../helpers/forged-logins.ts'
import { startWorld } from '../helpers/world.ts'

it('a server that judges logins by the time of its database tells that time to those who look what is wrong with theirs', async () => {
  const settings = { 'read-auth': 'always' }
  await using world = await startWorld({ authFile: `w ${makeLoginKey().line}\n`, settings })
  const theirs = 'Thu, 05 Nov 2026 07:08:09 GMT'
  const dateOf = async (at: string): Promise<readonly unknown[]> => {
    const { status, headers } = await world.fetch(at)
    return [at, status, headers.get('date') === theirs]
  }
  Object.assign(world.depot.kv, { now: () => Date.parse(theirs) + 10 })
  expect(await dateOf('/healthz')).toEqual(['/healthz', 200, true])
  for (const at of ['/-/session', '/nix/nix-cache-info', '/npm/express'])
    expect(await dateOf(at)).toEqual([at, 401, true])
  Object.assign(world.depot.kv, { now: undefined })
  expect(await dateOf('/-/session')).toEqual(['/-/session', 401, false])
})
