import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { hexOfNix32 } from '../../../protocols/nix/nix32.ts'
import { generateSecretKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { bundleOf, manifestOfTree, readTree, sha256Of, writeTree, type Tree } from '../../helpers/bundles.ts'
import { describeWith } from '../../helpers/have.ts'
import { runDepot, type Finished } from '../../helpers/run-depot.ts'
import { makeKey, startAgent } from '../../helpers/ssh-keys.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', '..', 'cmd', 'launch.js')
const run = promisify(execFile)
const TREE: Tree = {
  'npm/express/metadata.json': '{"name":"express"}',
  'npm/express/express-4.0.0.tgz': randomBytes(300_000),
  'npm/@s/p/@s/p-1.0.0.tgz': 'same',
  'npm/other/other-1.0.0.tgz': 'same',
  'npm/other/metadata.json': '{}',
  'python/greeting/greeting-1.0-py3-none-any.whl': randomBytes(10_000),
  'python/greeting/greeting-1.0-py3-none-any.whl.json': '{}',
  'nix/nix-cache-info': 'StoreDir: /nix/store\n',
  'nix/nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar': '',
}
/** What the name of the archive in it tells. */
const NIX_CONTENT = hexOfNix32('1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s') ?? ''
const ANYBODY = '--allow-unsigned'

/** A folder `saved` with the tree, and what runs `depot bundle` on it. */
async function savedTree(tree: Tree = TREE) {
  const dir = await tempDir('bundle')
  await writeTree(dir.join('saved'), tree)
  const bundle = (...args: readonly string[]): Promise<Finished> => runDepot(['bundle', ...args])
  return {
    dir,
    bundle,
    create: (name: string, ...more: readonly string[]) =>
      bundle('create', name.includes('/') ? name : dir.join(name), '--dir', dir.join('saved'), ...more),
    importInto: (name: string, out: string, ...more: readonly string[]) =>
      bundle('import', dir.join(name), '--dir', dir.join(out), ...more),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
}

function base64(tree: Tree): Readonly<Record<string, string>> {
  const entries = Object.entries(tree).map(([at, content]) => [at, Buffer.from(content).toString('base64')] as const)
  return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

describe('depot bundle', () => {
  it('carries everything that was saved in one file, which tar reads too', async () => {
    await using world = await savedTree()
    const { dir, create, bundle, importInto } = world
    const created = await create('carry.tar')
    expect(created).toMatchObject({ status: 0, stdout: expect.stringContaining('9 files') })
    expect((await bundle('verify', dir.join('carry.tar'), ANYBODY)).stdout).toMatch(/^whole: 9 files .*not signed/)
    expect((await importInto('carry.tar', 'out', ANYBODY)).stdout).toContain('saved 9')
    expect(await readTree(dir.join('out'))).toEqual(base64(TREE))

    const again = await importInto('carry.tar', 'out', ANYBODY, '--json')
    const lines = again.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines.at(-1)).toEqual({ saved: 0, savedBytes: 0, there: 9, failed: 0, leftOut: 0 })

    await mkdir(dir.join('by-tar'))
    await run('tar', ['xf', dir.join('carry.tar'), '-C', dir.join('by-tar')])
    expect((await bundle('verify', dir.join('by-tar'), ANYBODY)).status).toBe(0)
    expect((await readdir(dir.join('by-tar', 'blobs', 'sha256'))).length).toBe(new Set(Object.values(TREE)).size)
  })

  it('lists what is in a bundle, and what another has besides', async () => {
    await using world = await savedTree()
    const { dir, create, bundle } = world
    await create('one.tar')
    await writeTree(dir.join('saved'), { 'npm/new/new-1.0.0.tgz': 'new', 'npm/other/metadata.json': '{"new":1}' })
    await rm(dir.join('saved', 'python'), { recursive: true })
    await create('two.tar')
    const list = await bundle('list', dir.join('one.tar'))
    expect(list.stdout).toMatch(/nix +2 files .*\nnpm +5 files .*\npython +2 files/)
    const files = await bundle('list', dir.join('one.tar'), '--files', '--json')
    expect(files.stdout.split('\n')[0]).toBe(JSON.stringify(manifestOfTree(TREE).files.map(withContent)[0]))
    const { stdout } = await bundle('diff', dir.join('one.tar'), dir.join('two.tar'))
    expect(stdout).toContain('added      3 bytes  npm/new/new-1.0.0.tgz')
    expect(stdout).toContain('changed    9 bytes  npm/other/metadata.json')
    expect(stdout).toContain('removed    2 bytes  python/greeting/greeting-1.0-py3-none-any.whl.json')
    expect(stdout).toContain('1 added (3 bytes), 1 changed (9 bytes), 2 removed (10.0 kB)')
  })

  it.each([
    ['volumes', ['--split', '100K'], 'carry.tar'],
    ['compressed volumes', ['--split', '50K', '--zstd'], 'carry.tar'],
    ['a compressed file', ['--zstd-level', '9'], 'carry.tar'],
    ['a compressed file by its name', [], 'carry.tar.zst'],
  ])('comes in %s too', async (_what, flags, name) => {
    await using world = await savedTree()
    const { dir, create, importInto } = world
    expect(await create(name, ...flags)).toMatchObject({ status: 0 })
    const names = await readdir(dir.path)
    expect(names.some((file) => file.endsWith('.partial'))).toBe(false)
    expect(names.includes(`${name}.002`)).toBe(flags[0] === '--split')
    expect(await importInto(name, 'out', ANYBODY)).toMatchObject({ status: 0 })
    expect(await readTree(dir.join('out'))).toEqual(base64(TREE))
  })

  it('goes through a pipe, compressed or not, and says when it was cut there', async () => {
    await using world = await savedTree()
    const { dir } = world
    const create = `"$NODE" "$DEPOT" bundle create - --dir saved`
    const bring = `"$NODE" "$DEPOT" bundle import - ${ANYBODY} --dir`
    const sh = (script: string) =>
      run('sh', ['-c', script], { cwd: dir.path, env: { ...process.env, NODE: process.execPath, DEPOT: LAUNCHER } })
    await sh(`${create} | ${bring} one; ${create} --zstd | ${bring} two`)
    for (const out of ['one', 'two']) expect(await readTree(dir.join(out))).toEqual(base64(TREE))
    await expect(sh(`${create} | head -c 200000 | ${bring} three`)).rejects.toMatchObject({
      stderr: expect.stringContaining('ends early'),
    })
    expect(Object.keys(await readTree(dir.join('three'))).filter((at) => !at.includes('.partial/'))).toEqual([])
    await sh(`${create} | ${bring} three`)
    expect(await readTree(dir.join('three'))).toEqual(base64(TREE))
  })

  it('is a folder when asked, which is copied file by file, and goes on where it was', async () => {
    await using world = await savedTree()
    const { dir, bundle, create, importInto } = world
    expect(await create(`${dir.path}/folder/`)).toMatchObject({ status: 0 })
    await cp(dir.join('folder'), dir.join('copy'), { recursive: true, preserveTimestamps: true })
    expect(await importInto('copy', 'out', ANYBODY)).toMatchObject({ status: 0 })
    expect(await readTree(dir.join('out'))).toEqual(base64(TREE))

    const blobs = dir.join('folder', 'blobs', 'sha256')
    const [first = '', second = '', third = ''] = await readdir(blobs)
    await truncate(path.join(blobs, first), 0)
    await rm(path.join(blobs, second))
    await writeFile(path.join(blobs, third), 'x')
    const bad = await bundle('verify', dir.join('folder'), ANYBODY)
    expect(bad.status).toBe(1)
    for (const name of [second, third]) expect(bad.stderr).toContain(name)
    await writeFile(path.join(blobs, 'f'.repeat(64)), 'stranger')
    expect(await create(`${dir.path}/folder/`)).toMatchObject({ status: 0 })
    expect(await bundle('verify', dir.join('folder'), ANYBODY)).toMatchObject({ status: 0 })
  })

  it('leaves out what an earlier bundle brought, and can be the base of the next', async () => {
    await using world = await savedTree()
    const { dir, create, importInto, bundle } = world
    await create('one.tar')
    const second = { 'npm/other/other-1.1.0.tgz': randomBytes(1000), 'npm/other/metadata.json': '{"v":"1.1.0"}' }
    await writeTree(dir.join('saved'), second)
    const delta = await create('two.tar', '--since', dir.join('one.tar'))
    expect(delta.stdout).toContain('2 files (1.0 kB), and 8 that the other side has')
    await run('tar', ['xf', dir.join('two.tar'), '-C', dir.path, 'manifest.json'])
    const third = { 'npm/third/third-1.0.0.tgz': 'third' }
    await writeTree(dir.join('saved'), third)
    const next = await create('three.tar', '--since', dir.join('manifest.json'))
    expect(next.stdout).toContain('1 files (5 bytes), and 10 that the other side has')

    const piped = ['bundle', 'create', dir.join('piped.tar'), '--dir', dir.join('saved'), '--since', '-']
    const { stdout } = await runDepot(piped, {}, await readFile(dir.join('two.tar')))
    expect(stdout).toContain('1 files (5 bytes), and 10 that the other side has')

    const base = /sha256 ([0-9a-f]{64})/.exec((await bundle('list', dir.join('two.tar'))).stdout)?.[1] ?? ''
    const early = await importInto('three.tar', 'out', ANYBODY)
    expect(early.status).toBe(1)
    expect(early.stderr).toContain(
      `import first the bundle that it goes on from, whose manifest has the sha256 ${base}`,
    )
    expect(await readTree(dir.join('out'))).toEqual({})
    for (const name of ['one.tar', 'two.tar', 'three.tar'])
      expect(await importInto(name, 'out', ANYBODY)).toMatchObject({ status: 0 })
    expect(await readTree(dir.join('out'))).toEqual(base64({ ...TREE, ...second, ...third }))
  })

  it('leaves out what a depot holds, and says so to whoever unpacks it elsewhere', async () => {
    await using world = await savedTree()
    const { dir, create, importInto, bundle } = world
    const held = ['npm/express/express-4.0.0.tgz', 'npm/express/metadata.json']
    const digests = [...held.map((at) => sha256Of(Buffer.from(TREE[at] ?? ''))), NIX_CONTENT].toSorted()
    await writeFile(dir.join('inventory'), ['# depot-inventory/1', ...digests, ''].join('\n'))
    expect(await create('delta.tar', '--for', dir.join('inventory'))).toMatchObject({ status: 0 })
    const { stdout } = await bundle('list', dir.join('delta.tar'), '--files')
    const left = stdout.split('\n').filter((line) => line.endsWith('(not carried)'))
    expect(left.map((line) => line.split(/ +/)[2])).toEqual([
      'nix/nar/1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s.nar',
      'npm/express/express-4.0.0.tgz',
    ])
    const refused = await importInto('delta.tar', 'out', ANYBODY)
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('give its URL') })
    const bad = await create('bad.tar', '--for', dir.join('delta.tar'))
    expect(bad).toMatchObject({ status: 1, stderr: expect.stringContaining('not a whole inventory') })
  })

  it('writes over nothing, neither a bundle nor other bytes of an archive', async () => {
    await using world = await savedTree()
    const { dir, create, importInto } = world
    await create('carry.tar')
    expect(await create('carry.tar')).toMatchObject({ status: 1, stderr: expect.stringContaining('is there already') })
    await writeTree(dir.join('out'), { 'npm/express/express-4.0.0.tgz': 'mine', 'npm/express/metadata.json': 'old' })
    const refused = await importInto('carry.tar', 'out', ANYBODY)
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('npm/express/express-4.0.0.tgz') })
    expect(await readTree(dir.join('out'))).toEqual(
      base64({ 'npm/express/express-4.0.0.tgz': 'mine', 'npm/express/metadata.json': 'old' }),
    )
    await rm(dir.join('out', 'npm', 'express', 'express-4.0.0.tgz'))
    expect(await importInto('carry.tar', 'out', ANYBODY)).toMatchObject({ status: 0 })
    expect(await readTree(dir.join('out'))).toEqual(base64(TREE))
  })

  it('writes through no link that lies where it unpacks', async () => {
    await using world = await savedTree()
    const { dir, create, importInto } = world
    await create('carry.tar')
    await mkdir(dir.join('elsewhere'))
    await mkdir(dir.join('out', 'npm'), { recursive: true })
    await symlink(dir.join('elsewhere'), dir.join('out', 'npm', 'express'))
    expect(await importInto('carry.tar', 'out', ANYBODY)).toMatchObject({ status: 1 })
    expect(await readdir(dir.join('elsewhere'))).toEqual([])
  })

  it('is not whole with a volume that is missing, cut, or in the place of another', async () => {
    await using world = await savedTree()
    const { dir, create, bundle, importInto } = world
    await create('v.tar', '--split', '100K')
    const verify = () => bundle('verify', dir.join('v.tar'), ANYBODY)
    expect(await verify()).toMatchObject({ status: 0 })
    expect(await bundle('verify', dir.join('v.tar.001'), ANYBODY)).toMatchObject({ status: 0 })
    await rename(dir.join('v.tar.002'), dir.join('kept'))
    expect(await verify()).toMatchObject({ status: 1, stderr: expect.stringContaining('v.tar.002 is missing') })
    await cp(dir.join('v.tar.003'), dir.join('v.tar.002'))
    expect(await verify()).toMatchObject({ status: 1 })
    await rename(dir.join('kept'), dir.join('v.tar.002'))
    const last =
      (await readdir(dir.path))
        .filter((name) => name.startsWith('v.tar.'))
        .toSorted()
        .at(-1) ?? ''
    await rename(dir.join(last), dir.join('kept'))
    expect(await verify()).toMatchObject({ status: 1, stderr: expect.stringContaining('ends early') })
    expect(await importInto('v.tar', 'out', ANYBODY)).toMatchObject({ status: 1 })
    expect(await readTree(dir.join('out'))).toEqual({})
  })

  it('names what is wrong with a bundle, a line each, and brings nothing of it in', async () => {
    await using world = await savedTree()
    const { dir, create, bundle, importInto } = world
    await create('carry.tar')
    const bytes = await readFile(dir.join('carry.tar'))
    for (const content of [
      TREE['npm/express/express-4.0.0.tgz'],
      TREE['python/greeting/greeting-1.0-py3-none-any.whl'],
    ]) {
      const at = bytes.indexOf(Buffer.from(content ?? ''))
      bytes[at + 5] = (bytes[at + 5] ?? 0) ^ 1
    }
    await writeFile(dir.join('carry.tar'), bytes)
    const { status, stderr } = await bundle('verify', dir.join('carry.tar'), ANYBODY)
    expect([status, stderr.trim().split('\n').length]).toEqual([1, 2])
    expect(await importInto('carry.tar', 'out', ANYBODY)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('nothing of it was brought in'),
    })
    expect(await readTree(dir.join('out'))).toEqual({})
  })

  it.each([
    ['a folder of an ecosystem that nobody knows', { 'etc/passwd': 'x' }],
    ['names that are hidden', { 'npm/.npmrc': 'x' }],
    ['a path that leads out', { 'npm/../../x': 'x' }],
  ])('is refused with %s', async (_what, tree) => {
    await using dir = await tempDir('bundle')
    await writeFile(dir.join('evil.tar'), (await bundleOf(tree)).bytes)
    const { status, stderr } = await runDepot([
      'bundle',
      'import',
      dir.join('evil.tar'),
      ANYBODY,
      '--dir',
      dir.join('out'),
    ])
    expect([status, stderr.startsWith('depot: a bug')]).toEqual([1, false])
    expect(await readdir(dir.path)).toEqual(['evil.tar'])
  })

  it.each([
    [['create'], 'write it where'],
    [['create', 'x.tar', '--split', '4'], '--split takes a size'],
    [['create', 'x/', '--split', '4G'], 'a folder is neither split'],
    [['create', '-', '--split', '4G'], '--split needs a file'],
    [['create', 'x.tar', '--zstd-level', '99'], '--zstd-level is a number'],
    [['create', 'x.tar', '--since', 'a', '--for', 'b'], '--since or --for'],
    [['verify', 'x.tar', '--trusted-key', '/nonexistent'], 'cannot be read as a file of them'],
    [['import'], 'import what'],
  ])('says what is wrong with %j', async (args, why) => {
    expect(await runDepot(['bundle', ...args])).toMatchObject({ status: 2, stderr: expect.stringContaining(why) })
  })

  it.each([
    [['create', 'x.tar'], 'name what was saved with --dir'],
    [['create', 'x.tar', '--since', 'nothing.tar'], 'nothing.tar is not there'],
    [['create', 'x.tar', '--sign', '/nonexistent/key'], '/nonexistent/key is not there'],
    [['verify', 'nothing.tar'], 'nothing.tar is not there'],
    [['list', '/dev/null'], 'ends early'],
  ])('says what is missing for %j', async (args, why) => {
    expect(await runDepot(['bundle', ...args])).toMatchObject({ status: 1, stderr: expect.stringContaining(why) })
  })
})

it('says of a bundle that cannot be read that it cannot, not that it is a bug', async () => {
  await using dir = await tempDir('bundle')
  await symlink('round', dir.join('round'))
  const { status, stderr } = await runDepot(['bundle', 'list', dir.join('round')])
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^depot: \S+round is a link/)])
})

describeWith('openssh', 'the signature of a bundle', () => {
  it('is by an SSH key, in its file or in an agent, and whoever trusts it is told the name', async () => {
    await using world = await savedTree()
    const { dir, create, bundle, importInto } = world
    const key = await makeKey(dir.path, { kind: 'ed25519', comment: 'me@outside' })
    expect(await create('a.tar', '--sign', key.file)).toMatchObject({ status: 0, stderr: '' })
    const text = `${key.type} ${key.base64}`
    const verified = await bundle('verify', dir.join('a.tar'), '--trusted-key', text)
    expect(verified.stdout).toContain(`signed by ssh-ed25519 ${key.fingerprint}`)
    expect((await bundle('verify', dir.join('a.tar'), '--trusted-key', `${key.file}.pub`)).stdout).toContain(
      'me@outside',
    )

    await using agent = await startAgent([key])
    const env = { SSH_AUTH_SOCK: agent.socket }
    const args = ['bundle', 'create', dir.join('b.tar'), '--dir', dir.join('saved'), '--sign', key.fingerprint]
    expect(await runDepot(args, env)).toMatchObject({ status: 0 })
    expect(await importInto('b.tar', 'out', '--trusted-key', text)).toMatchObject({ status: 0 })
  })

  it('has to be there, good, and by a key that was named; what to type is said', async () => {
    await using world = await savedTree()
    const { dir, create, bundle, importInto } = world
    const [key, other] = [await makeKey(dir.path, { kind: 'ed25519' }), await makeKey(dir.path, { kind: 'ecdsa-256' })]
    await create('none.tar')
    await create('a.tar', '--sign', key.file)
    const trusted = ['--trusted-key', `${key.file}.pub`]
    expect((await importInto('none.tar', 'out', ...trusted)).stderr).toContain('--allow-unsigned takes it all the same')
    for (const more of [[], ['--trusted-key', `${other.file}.pub`]]) {
      const { status, stderr } = await importInto('a.tar', 'out', ...more)
      expect(status).toBe(1)
      expect(stderr).toContain(`signed by ssh-ed25519 ${key.fingerprint}`)
      expect(stderr).toContain(`--trusted-key '${key.type} ${key.base64}'`)
    }
    const changed = (await readFile(dir.join('a.tar'))).toString('latin1').replace(/"created":"2/, '"created":"3')
    await writeFile(dir.join('changed.tar'), changed, 'latin1')
    for (const more of [trusted, [ANYBODY]]) {
      const { status, stderr } = await bundle('verify', dir.join('changed.tar'), ...more)
      expect([status, stderr]).toEqual([1, expect.stringContaining('does not fit the manifest')])
      expect((await importInto('changed.tar', 'out', ...more)).status).toBe(1)
    }
    expect(await readTree(dir.join('out'))).toEqual({})
    expect((await importInto('a.tar', 'out', ANYBODY)).stdout).toContain('whom nobody named')
  })

  it('is by a Nix key when that is given, and good for bundles alone', async () => {
    await using world = await savedTree()
    const { dir, create, bundle } = world
    const secret = generateSecretKey('outside-1')
    await writeFile(dir.join('key'), `${secret}\n`, { mode: 0o600 })
    const { publicKey } = parseSecretKey(secret)
    expect(await create('a.tar', '--sign', dir.join('key'))).toMatchObject({ status: 0 })
    const good = await bundle('verify', dir.join('a.tar'), '--trusted-key', publicKey)
    expect(good).toMatchObject({ status: 0, stdout: expect.stringContaining(`signed by ${publicKey}`) })
    const imposter = parseSecretKey(generateSecretKey('outside-1')).publicKey
    expect((await bundle('verify', dir.join('a.tar'), '--trusted-key', imposter)).stderr).toContain('does not fit')
    expect((await bundle('verify', dir.join('a.tar'))).stderr).toContain("--trusted-key 'outside-1:…'")

    const narinfo = parseSecretKey(secret).sign('1;/nix/store/x;sha256:y;1;')
    await writeFile(dir.join('b.tar'), (await bundleOf(TREE, () => `${narinfo}\n`)).bytes)
    expect((await bundle('verify', dir.join('b.tar'), '--trusted-key', publicKey)).stderr).toContain('does not fit')
  })
})

function withContent<T extends { readonly path: string; readonly carried: boolean }>(file: T): unknown {
  return file.path.startsWith('nix/nar/') ? { ...file, content: NIX_CONTENT } : file
}
