import { chmod, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'

import { describe, expect, it } from 'vitest'

import { generateSecretKey, parseSecretKey, fingerprint } from '../../../protocols/nix/signing.ts'
import { startGuardedWorld } from '../../helpers/guarded-world.ts'
import { put, startNixWorld, startRuledWorld } from '../../helpers/nix-upload.ts'
import { pushedStore, pushFrom, servedNar, storePath } from '../../helpers/pushed-store.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { startUpstream } from '../../helpers/upstream.ts'

describe('depot nix push', () => {
  it('brings a path with all that it refers to, and what it was told of each', async () => {
    await using store = await pushedStore()
    await using world = await startNixWorld()
    const made = await store.closure(12)
    const top = made.at(-1)
    if (top === undefined) throw new Error('nothing was made')
    const { status, stdout } = await pushFrom(store, world.url, storePath(top))
    expect([status, stdout.split('\n').at(-2)]).toEqual([
      0,
      expect.stringMatching(/^sent 12 \(.*\), 0 there already, 0 failed$/),
    ])
    for (const path of made) expect(await servedNar(world, path)).toEqual(path.nar)
    const again = await pushFrom(store, world.url, storePath(top))
    expect(again).toMatchObject({ status: 0, stdout: 'sent 0 (0 bytes), 12 there already, 0 failed\n' })
    expect(world.bugs).toEqual([])
  })

  it('sends an archive once that several paths have, and none that is there', async () => {
    await using store = await pushedStore()
    await using world = await startNixWorld()
    const [one, two, large, old] = [
      await store.file('one', 'the same'),
      await store.file('two', 'the same'),
      await store.file('large', Buffer.alloc(3_000_000, 'x')),
      await store.file('old', 'sent before'),
    ]
    await put(world, `/nix/nar/${old.narHash}.nar`, old.nar)
    const audited = await world.depot.kv.auditHead()
    expect((await pushFrom(store, world.url, ...[one, two, large, old].map(storePath))).status).toBe(0)
    const lines = await world.depot.kv.audit(audited, 100)
    expect(
      lines
        .map(({ resource }) => resource)
        .filter((resource) => resource.startsWith('nar/'))
        .sort(),
    ).toEqual([`nar/${one.narHash}.nar`, `nar/${large.narHash}.nar`].sort())
    for (const path of [one, two, large, old]) expect(await servedNar(world, path)).toEqual(path.nar)
  })

  it('names what is not in the store, has changed there, or has vanished, and brings the rest', async () => {
    await using store = await pushedStore()
    await using world = await startNixWorld()
    const good = await store.file('good')
    const changed = await store.file('changed')
    const needs = await store.file('needs', undefined, { references: [changed.baseName] })
    const [large, gone] = [await store.file('large', Buffer.alloc(2_000_000)), await store.file('gone')]
    for (const { file } of [changed, large]) await chmod(file, 0o600)
    await writeFile(changed.file, 'x'.repeat(1000))
    await writeFile(large.file, Buffer.alloc(2_000_000, 'y'))
    await rm(gone.file)
    const unknown = `/nix/store/${'0'.repeat(32)}-unknown`
    const { status, stdout, stderr } = await pushFrom(
      store,
      world.url,
      ...[good, needs, large, gone].map(storePath),
      unknown,
    )
    expect(status).toBe(1)
    expect(stdout).toContain(`sent ${storePath(good)}`)
    expect(stdout).toMatch(/\nsent 1 \(.*\), 0 there already, 5 failed\n$/)
    expect(stderr).toMatch(new RegExp(`${changed.baseName}: .*is not the sha256:${changed.narHash}`))
    expect(stderr).toMatch(new RegExp(`${large.baseName}: .*is not the sha256:${large.narHash}`))
    expect(stderr).toMatch(
      new RegExp(
        `${needs.baseName}: ${needs.baseName} refers to paths that this cache does not hold: ${changed.baseName}`,
      ),
    )
    expect(stderr).toMatch(new RegExp(`${gone.baseName}: it is not there`))
    expect(stderr).toContain(`${unknown}: it is not there`)
    expect(world.bugs).toEqual([])
  })

  it('says which path the depot has with another content, and leaves that alone', async () => {
    await using store = await pushedStore()
    await using world = await startNixWorld()
    await using elsewhere = await pushedStore()
    const [here, there] = [
      await store.file('unlike', 'of one build'),
      await elsewhere.file('unlike', 'of another build'),
    ]
    await pushFrom(elsewhere, world.url, storePath(there))
    const { status, stderr } = await pushFrom(store, world.url, storePath(here))
    expect(status).toBe(1)
    expect(stderr).toContain(`${storePath(here)}: the depot holds it with another content than sha256:${here.narHash}`)
    expect(await servedNar(world, there)).toEqual(there.nar)
  })

  it('leaves out what somebody has signed, verified where the whole key is given, and only counts that', async () => {
    await using store = await pushedStore()
    await using world = await startRuledWorld({ requireReferences: false })
    const key = parseSecretKey(generateSecretKey('upstream-1'))
    const base = await store.file('base', 'base')
    const sigs = key.sign(fingerprint({ ...base, narSizeBytes: base.nar.byteLength, references: [] }))
    store.database.prepare('update ValidPaths set sigs = ?').run(sigs)
    const forged = await store.file('forged', undefined, { sigs: `upstream-1:${Buffer.alloc(64).toString('base64')}` })
    const own = await store.file('own', undefined, { references: [base.baseName, forged.baseName] })
    const push = (name: string) => pushFrom(store, world.url, '--dry-run', '--skip-signed-by', name, storePath(own))
    expect((await push('upstream-1')).stdout).toMatch(/^would send \S+-own\nwould send 1 .* 2 left out\n$/)
    expect((await push(key.publicKey)).stdout).toMatch(/would send 2 .* 1 left out\n$/)
    expect((await push('somebody-1')).stdout).toMatch(/would send 3 \(/)
    expect(await push('not a name')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--skip-signed-by') as unknown,
    })
    expect((await pushFrom(store, world.url, '--skip-signed-by', 'upstream-1', storePath(own))).status).toBe(0)
    expect(await servedNar(world, base)).toBeUndefined()
    expect(await servedNar(world, own)).toEqual(own.nar)
  })

  it('takes paths from arguments with commas, from standard input, and without what they refer to', async () => {
    await using store = await pushedStore()
    await using world = await startNixWorld()
    const [a, b, c] = [await store.file('a'), await store.file('b'), await store.file('c')]
    const d = await store.file('d', undefined, { references: [a.baseName] })
    const common = ['nix', 'push', '--nix-store', store.root] as const
    const { status } = await runDepot(
      [...common, '--store-paths', `${storePath(a)},${storePath(b)}`, '--stdin', `${world.url}/nix`],
      {},
      `\n${storePath(c)}\n`,
    )
    expect(status).toBe(0)
    for (const path of [a, b, c]) expect(await servedNar(world, path)).toEqual(path.nar)
    const alone = await runDepot([...common, storePath(d), '--no-closure', '--json'], { DEPOT_URL: world.url })
    expect(
      alone.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { item: storePath(d), result: 'sent', sizeBytes: d.nar.byteLength },
      { sent: 1, sentBytes: d.nar.byteLength, there: 0, failed: 0, leftOut: 0 },
    ])
  })

  it('verifies and sends nothing in a dry run', async () => {
    await using store = await pushedStore()
    await using world = await startNixWorld()
    const [good, bad] = [await store.file('good'), await store.file('bad')]
    await chmod(bad.file, 0o600)
    await writeFile(bad.file, 'x'.repeat(1000))
    const { status, stdout, stderr } = await pushFrom(store, world.url, '--dry-run', storePath(good), storePath(bad))
    expect([status, stdout]).toEqual([
      1,
      `would send ${storePath(good)}\nwould send 1 (1.1 kB), 0 there already, 1 failed\n`,
    ])
    expect(stderr).toContain(storePath(bad))
    expect(await world.depot.kv.auditHead()).toBe(0)
  })

  it('is let in by a token on the command line, of which it warns, or from standard input', async () => {
    await using store = await pushedStore()
    await using world = await startGuardedWorld({ reads: 'closed' })
    const [a, b] = [await store.file('a'), await store.file('b')]
    const token = await world.token('nix:write:*')
    const typed = await pushFrom(store, world.url, '--token', token, storePath(a))
    expect(typed).toMatchObject({ status: 0, stderr: expect.stringContaining('DEPOT_AUTH_TOKEN') as unknown })
    const args = ['nix', 'push', world.url, '--nix-store', store.root, '--token', '-']
    expect(await runDepot([...args, storePath(b)], {}, `${token}\n`)).toMatchObject({ status: 0, stderr: '' })
    expect(
      await servedNar({ fetch: (path) => world.fetch(path, { headers: { authorization: `Bearer ${token}` } }) }, b),
    ).toEqual(b.nar)
    expect(await runDepot([...args, '--stdin'], {}, token)).toMatchObject({ status: 2 })
    expect(await runDepot([...args, storePath(b)], {}, '\n')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no token') as unknown,
    })
  })

  it('says so when the token is not good, or may not write, and ends at once', async () => {
    await using store = await pushedStore()
    await using world = await startGuardedWorld({ reads: 'closed' })
    const made = await store.closure(6)
    const paths = made.map(storePath)
    const push = async (token: string) =>
      runDepot(['nix', 'push', world.url, '--nix-store', store.root, ...paths], { DEPOT_AUTH_TOKEN: token })
    expect(await push('dpt_wrong')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('the token of DEPOT_AUTH_TOKEN') as unknown,
    })
    const reader = await push(await world.token('nix:read:*'))
    expect(reader).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("'depot whoami' shows your rights") as unknown,
    })
    expect(await world.depot.kv.list(1, 'nix-path', { from: '', limit: 10 })).toEqual([])
  })
})

describe('depot nix push to something else than a depot', () => {
  it.each([
    ['nonsense', 'what?'],
    ['other JSON', '{"missing":"all"}'],
    ['names that nobody asked about, and no answer to the rest', '{"missing":["x"],"other":["y"],"archives":["z"]}'],
    ['an answer that never ends', undefined],
  ])(
    'ends when the question is answered by %s',
    async (what, answer) => {
      await using store = await pushedStore()
      const path = await store.file('path')
      await using upstream = await startUpstream((incoming, outgoing) => {
        if (incoming.url === '/-/session')
          return outgoing.end('{"principal":{"id":"","name":"","grants":[]},"open":true}')
        if (answer !== undefined) return outgoing.end(answer)
        const more = setInterval(() => outgoing.write(Buffer.alloc(4_000_000, ' ')), 5)
        outgoing.on('close', () => clearInterval(more))
        return undefined
      })
      const env = { DEPOT_AUTH_TOKEN: 'dpt_any' }
      const { status, stdout, stderr } = await runDepot(
        ['nix', 'push', upstream.url, '--nix-store', store.root, storePath(path)],
        env,
      )
      expect(stdout).toMatch(/^sent 0 /)
      if (what.startsWith('names'))
        expect([status, stdout]).toEqual([0, 'sent 0 (0 bytes), 1 there already, 0 failed\n'])
      else expect([status, stderr]).toEqual([1, expect.stringMatching(/does not answer as a depot does|too long/)])
    },
    60_000,
  )

  it.each([
    ['/nix/-/nars', '{"archives":[]}'],
    ['/nix/-/nars', 'what?'],
    ['/nix/-/narinfos', '{"paths":[]}'],
    ['/nix/-/narinfos', '{"paths":[{"result":"lost"}]}'],
  ])('ends when what is sent to %s is answered by %s', async (asked, answer) => {
    await using store = await pushedStore()
    const path = await store.file('path')
    const answers = new Map<string | undefined, string>([
      ['/nix/-/missing', JSON.stringify({ missing: [`${path.storeHash}-${path.narHash}`], other: [], archives: [] })],
      ['/nix/-/nars', JSON.stringify({ archives: [`sha256:${path.narHash}`] })],
      [asked, answer],
    ])
    await using upstream = await startUpstream((incoming, outgoing) => {
      incoming.resume().on('end', () => outgoing.end(answers.get(incoming.url)))
    })
    const args = ['nix', 'push', upstream.url, '--nix-store', store.root, storePath(path)]
    expect(await runDepot(args, { DEPOT_AUTH_TOKEN: 'dpt_any' })).toMatchObject({
      status: 1,
      stdout: 'sent 0 (0 bytes), 0 there already, 0 failed\n',
      stderr: expect.stringContaining('does not answer as a depot does') as unknown,
    })
  })

  it('sends archives and narinfos alone through a proxy that does not take them together', async () => {
    await using store = await pushedStore()
    await using world = await startNixWorld()
    const [a, b, c] = [await store.file('a'), await store.file('b'), await store.file('c')]
    const crowded = await store.file('crowded', undefined, { sigs: `x-1:${'a'.repeat(256)} y-1:${'a'.repeat(256)}` })
    const pass = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
      const { method = 'GET', url = '/' } = incoming
      const sent = Buffer.concat(await incoming.toArray())
      if (url === '/nix/-/narinfos' && sent.length > 500) return void outgoing.writeHead(413).end('less, please')
      const answer = await world.fetch(url, { method, ...(method === 'GET' ? {} : { body: sent }) })
      outgoing.writeHead(answer.status).end(await answer.text())
    }
    await using front = await startUpstream((incoming, outgoing) => {
      if (incoming.url === '/nix/-/nars') outgoing.writeHead(413).end('less, please')
      else void pass(incoming, outgoing)
    })
    const { status, stderr } = await pushFrom(store, front.url, ...[a, b, crowded, c].map(storePath))
    expect([status, stderr]).toEqual([1, `depot: ${storePath(crowded)}: less, please\n`])
    for (const path of [a, b, c]) expect(await servedNar(world, path)).toEqual(path.nar)
  })
})
