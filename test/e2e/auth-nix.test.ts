import { writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startGuardedWorld, type GuardedWorld } from '../helpers/guarded-world.ts'
import { describeWith } from '../helpers/have.ts'
import { addressedExpression, closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'

const CLOSURE = closureExpression(3, 'auth')

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/auth: ${part}`, () => suite(part))

function suite(part: 'nix' | 'nixNew'): void {
  const nixClient = (...trustedKeys: readonly string[]): Promise<NixClient> => nixClientOf(part, ...trustedKeys)
  let pusher: NixClient
  let top: string

  beforeAll(async () => {
    pusher = await nixClient()
    top = await built(pusher, CLOSURE)
  })
  afterAll(() => pusher[Symbol.asyncDispose]())

  describe.each(['open', 'closed'] as const)('where reads are %s', (reads) => {
    let world: GuardedWorld
    let cache: string
    let writer: string
    let reader: string

    beforeAll(async () => {
      world = await startGuardedWorld({ reads })
      cache = `${world.url}/nix`
      writer = await world.token('nix:write:*')
      reader = await world.token('nix:read:*')
      await pusher.push(cache, ...(await netrc(pusher, writer)), top)
    })
    afterAll(() => world[Symbol.asyncDispose]())

    it('pulls what was pushed with a netrc, and asks of it what else there is to ask', async () => {
      await using nix = await nixClient(world.publicKey)
      const options = await netrc(nix, reader)
      await nix.pull(cache, ...options, top)
      expect((await nix.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(3)
      expect(await nix.run('path-info', '--store', cache, ...options, '-r', top)).toContain('pkg0-1.0')
      expect(await nix.run('store ls', '--store', cache, ...options, '-R', top)).toContain('./bin/run')
    })

    it('builds by taking everything from the depot', async () => {
      await using nix = await nixClient(world.publicKey)
      const substituters = ['--option', 'substituters', cache, '-j0']
      expect(await nix.build(CLOSURE, ...substituters, ...(await netrc(nix, reader)))).toEqual([top])
    })

    it('pushes and pulls with the token in the URL', async () => {
      const target = await built(pusher, addressedExpression('userinfo'))
      await pusher.push(cache.replace('://', `://depot:${writer}@`), target)
      await using nix = await nixClient()
      await nix.pull(cache.replace('://', `://depot:${reader}@`), target)
      expect(await nix.run('path-info', target)).toContain(target)
    })

    it('hears why a token that only reads does not push', async () => {
      const target = await built(pusher, addressedExpression('refused'))
      const told = await failedPush(pusher, cache, ...(await netrc(pusher, reader)), target)
      expect(told).toMatch(/HTTP error 403[^]*your credentials do not permit this/)
    })

    it('meets no bug of the depot', () => {
      expect(world.bugs).toEqual([])
    })
  })

  it('pulls without credentials where reads are open, and hears what it takes to push', async () => {
    await using world = await startGuardedWorld({ reads: 'open' })
    const cache = `${world.url}/nix`
    await pusher.push(cache, ...(await netrc(pusher, await world.token('nix:write:*'))), top)
    await using nix = await nixClient(world.publicKey)
    await nix.pull(cache, top)
    const target = await built(pusher, addressedExpression('unknown'))
    for (const options of [[], await netrc(pusher, 'dpt_nonsense')])
      expect(await failedPush(pusher, cache, ...options, target)).toMatch(UNAUTHENTICATED)
  })

  it('finds no cache without credentials where reads are closed, and builds for itself', async () => {
    await using world = await startGuardedWorld({ reads: 'closed' })
    const cache = `${world.url}/nix`
    await using nix = await nixClient(world.publicKey)
    // The newer one shows at once what it is told.
    const nothing = part === 'nix' ? /'http:[^']+' does not appear to be a binary cache/ : UNAUTHENTICATED
    expect(await nix.failure('path-info', '--store', cache, top)).toMatch(nothing)
    expect(await nix.build(CLOSURE, '--option', 'substituters', cache)).toEqual([top])
    expect(await failedPush(nix, cache, top)).toMatch(nothing)
    await nix.run('store ping', '--store', cache, ...(await netrc(nix, await world.token('nix:read:*'))))
    // From now on it knows that this is a cache, and shows what it is told.
    expect(await failedPush(nix, cache, top)).toMatch(UNAUTHENTICATED)
  })

  it('takes a refusal for an absence, and believes it for as long as it was told to, unless it is told to refresh', async () => {
    await using world = await startGuardedWorld({ reads: 'closed' })
    const cache = `${world.url}/nix`
    const target = await built(pusher, addressedExpression('remembered'))
    await pusher.push(cache, ...(await netrc(pusher, await world.token('nix:write:*'))), target)
    await using nix = await nixClient()
    const options = await netrc(nix, await world.token('nix:read:*'))
    await nix.run('store ping', '--store', cache, ...options)
    const ask = ['path-info', '--store', cache, '--option', 'narinfo-cache-negative-ttl', '3600', target]
    expect(await nix.failure(...ask)).toContain('is not valid')
    expect(await nix.failure(...ask, ...options)).toContain('is not valid')
    expect(await nix.run('path-info', ...ask.slice(1), ...options, '--refresh')).toContain(target)
  })
}

const UNAUTHENTICATED = /HTTP error 401[^]*good credentials are needed here: see 'depot login'/

/** The one output of an expression. */
async function built(nix: NixClient, expression: string): Promise<string> {
  const [output = ''] = await nix.build(expression)
  return output
}

/** Options that make Nix show a token: of itself it reads /etc/nix/netrc, or what nix.conf names. */
async function netrc(nix: NixClient, token: string): Promise<readonly string[]> {
  const file = path.join(nix.root, '..', 'netrc')
  await writeFile(file, `machine 127.0.0.1 login depot password ${token}\n`)
  return ['--option', 'netrc-file', file]
}

function failedPush(nix: NixClient, to: string, ...rest: readonly string[]): Promise<string> {
  return nix.failure('copy', '--from', nix.root, '--to', to, ...rest)
}
