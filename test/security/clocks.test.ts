import { execFile } from 'node:child_process'
import { parseEnv, promisify } from 'node:util'

import { expect, it } from 'vitest'

import { cleanEnv } from '../helpers/clean-env.ts'
import { cliUser, depotFor } from '../helpers/cli-user.ts'
import { describeWith, have } from '../helpers/have.ts'

/** What makes the clock of a program this far off. */
async function clockAhead(seconds: number, home: string): Promise<Record<string, string>> {
  const shift = `${seconds < 0 ? '' : '+'}${seconds}s`
  const { stdout } = await promisify(execFile)(have.paths.faketime, ['-f', shift, 'env'], { env: cleanEnv(home) })
  const { LD_PRELOAD = '', FAKETIME = '' } = parseEnv(stdout)
  // Its timers should run all the same.
  return { LD_PRELOAD, FAKETIME, DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
}

describeWith(['faketime', 'openssh'], 'a client whose clock is wrong', () => {
  it('is let in when it is half a minute off, and not much beyond; a clock that is behind costs it time only', async () => {
    await using user = await cliUser()
    await using depot = await depotFor(user, [{ right: 'w', key: await user.key() }])
    const tries = async (seconds: number) =>
      (await user.run(['whoami', depot.url], await clockAhead(seconds, user.path))).status
    const statuses: Record<number, number | null> = {}
    // One that is 45 seconds ahead stays too far so, though it stand still for a while before it sends.
    for (const seconds of [0, 29, 45, 120, -29, -100, -280, -3600]) statuses[seconds] = await tries(seconds)
    expect(statuses).toEqual({ 0: 0, 29: 0, 45: 1, 120: 1, [-29]: 0, [-100]: 0, [-280]: 1, [-3600]: 1 })
    const { stderr } = await user.run(['whoami', depot.url], await clockAhead(120, user.path))
    expect(stderr).toMatch(/this machine's clock is 1[12]\d s ahead of the depot's/)
  })
})
