import { createRequire } from 'node:module'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { startGuardedWorld, type GuardedWorld } from '../helpers/guarded-world.ts'
import { describeWith } from '../helpers/have.ts'
import { npmClient, type NpmClient } from '../helpers/npm-client.ts'

describeWith('yarnBerry', 'e2e/auth: yarn 4 at a depot where reads need credentials', () => {
  let world: GuardedWorld

  beforeAll(async () => {
    world = await startGuardedWorld({ reads: 'closed' })
    await using yarn = await client('npm:write:*')
    for (const name of ['plain', '@in/button', '@out/button']) await publish(yarn, name)
  })
  afterAll(() => world[Symbol.asyncDispose]())

  async function client(grant: string, always = true): Promise<NpmClient> {
    const token = await world.token(grant)
    return npmClient('yarnBerry', `${world.url}/npm/`, [`npmAuthToken: ${token}`, `npmAlwaysAuth: ${always}`])
  }

  it('installs with a token that it always shows, and again from its lockfile', async () => {
    await using yarn = await client('npm:read:*')
    const app = await install(yarn, 'plain', '@in/button')
    await yarn.run(app, 'install', '--immutable')
    const load = createRequire(path.join(app, 'index.js'))
    expect([load('plain'), load('@in/button')]).toEqual(['plain', '@in/button'])
    expect(world.badCredentials).toEqual([])
  })

  it('shows its token for packages with a scope only, unless it is told to show it always', async () => {
    await using yarn = await client('npm:read:*', false)
    await install(yarn, '@in/button')
    await expect(install(yarn, 'plain')).rejects.toThrow(/Invalid authentication \(as an anonymous user\)/)
  })

  it('finds nothing beyond the scope of its token, and may not publish with one that reads', async () => {
    await using yarn = await client('npm:read:@in/*')
    await install(yarn, '@in/button')
    await expect(install(yarn, '@out/button')).rejects.toThrow(/@out\/button@npm:1.0.0: Package not found/)
    await expect(publish(yarn, '@in/other')).rejects.toThrow(/your credentials do not permit this/)
  })

  it('meets no bug of the depot', () => {
    expect(world.bugs).toEqual([])
  })
})

/** It publishes only what has been installed. */
async function publish(yarn: NpmClient, name: string): Promise<void> {
  const files = { 'yarn.lock': '', 'index.js': `module.exports = '${name}'` }
  const folder = await yarn.folder(`publish/${name}`, { name, version: '1.0.0', main: 'index.js' }, files)
  await yarn.run(folder, 'install')
  await yarn.run(folder, 'npm', 'publish')
}

async function install(yarn: NpmClient, ...names: readonly string[]): Promise<string> {
  const dependencies = Object.fromEntries(names.map((name) => [name, '1.0.0']))
  const folder = await yarn.folder(`app/${names.join('+')}`, { name: 'app', dependencies }, { 'yarn.lock': '' })
  await yarn.run(folder, 'install')
  return folder
}
