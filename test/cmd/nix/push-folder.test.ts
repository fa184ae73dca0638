import { randomBytes } from 'node:crypto'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { startNixWorld } from '../../helpers/nix-upload.ts'
import { runDepot, type Finished } from '../../helpers/run-depot.ts'
import { saveFixture } from '../../helpers/saved-npm.ts'
import { storePathOf, type Compression, type PushedPath } from '../../helpers/store-path.ts'
import { tempDir, type TempDir } from '../../helpers/temp-dir.ts'
import { buildWheel } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

interface Folder extends AsyncDisposable {
  readonly dir: TempDir
  readonly world: World
  /** A path of the folder, a binary cache; `changes` are made to its narinfo. */
  add(
    name: string,
    options?: {
      readonly size?: number
      readonly compression?: Compression
      readonly change?: (narinfo: string) => string
    },
  ): Promise<PushedPath>
  fileOf(added: PushedPath): string
  push(...args: readonly string[]): Promise<Finished>
  serves(added: PushedPath): Promise<boolean>
}

async function folder(): Promise<Folder> {
  await using made = new AsyncDisposableStack()
  const dir = made.use(await tempDir('cache'))
  const world = made.use(await startNixWorld())
  await mkdir(dir.join('nar'))
  await writeFile(dir.join('nix-cache-info'), 'StoreDir: /nix/store\n')
  const owned = made.move()
  return {
    dir,
    world,
    async add(name, { size = 500, compression = 'zstd', change = (narinfo: string) => narinfo } = {}) {
      const added = storePathOf(name, randomBytes(size), compression)
      await writeFile(dir.join('nar', added.file), added.packed)
      await writeFile(dir.join(`${added.key}.narinfo`), change(added.narinfo))
      return added
    },
    fileOf: ({ file }) => dir.join('nar', file),
    push: (...args) => runDepot(['nix', 'push', world.url, '--dir', dir.path, ...args]),
    serves: async ({ key, narHash }) =>
      (await world.fetch(`/nix/${key}.narinfo`)).ok && (await world.fetch(`/nix/nar/${narHash}.nar`)).ok,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const LARGE = 1_000_000

describe('depot nix push of a folder', () => {
  it.each(['none', 'gzip', 'zstd'] as const)(
    'brings small and large archives that are compressed with %s',
    async (compression) => {
      await using here = await folder()
      const [small, large] = [
        await here.add('small', { compression }),
        await here.add('large', { compression, size: LARGE }),
      ]
      expect(await here.push()).toMatchObject({ status: 0, stderr: '' })
      expect([await here.serves(small), await here.serves(large)]).toEqual([true, true])
      expect((await here.push()).stdout).toBe('sent 0 (0 bytes), 2 there already, 0 failed\n')
      expect(here.world.bugs).toEqual([])
    },
  )

  it.each([
    ['small', 500],
    ['large', LARGE],
  ])('names a %s archive that is damaged, cut, missing or a link, and brings the rest', async (_, size) => {
    await using here = await folder()
    const [good, damaged, cut, missing, link] = [
      await here.add('good', { size }),
      await here.add('damaged', { size }),
      await here.add('cut', { size }),
      await here.add('missing', { size }),
      await here.add('link', { size }),
    ]
    const bytes = Uint8Array.from(damaged.packed)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await writeFile(here.fileOf(damaged), bytes)
    await writeFile(here.fileOf(cut), cut.packed.subarray(0, -10))
    for (const gone of [missing, link]) await rm(here.fileOf(gone))
    await symlink(here.fileOf(good), here.fileOf(link))
    const { status, stdout, stderr } = await here.push()
    expect([status, stdout]).toEqual([1, expect.stringMatching(/sent 1 \(.*, 0 there already, 4 failed\n$/)])
    for (const name of ['damaged', 'cut', 'missing', 'link']) expect(stderr).toMatch(new RegExp(`-${name}: `))
    expect(await here.serves(good)).toBe(true)
    for (const bad of [damaged, cut, missing, link]) expect(await here.serves(bad)).toBe(false)
    expect((await here.push('--dry-run')).stderr.split('\n')).toHaveLength(5)
    expect(here.world.bugs).toEqual([])
  })

  it('believes no narinfo that is none, is about another path, or leads out of the folder', async () => {
    await using here = await folder()
    const good = await here.add('good')
    await writeFile(here.dir.join('..', `${path.basename(here.dir.path)}.nar`), good.nar)
    const lie = (line: RegExp, by: string) => ({ change: (narinfo: string) => narinfo.replace(line, by) })
    await here.add('outside', lie(/^URL: .*$/m, `URL: ../${path.basename(here.dir.path)}.nar`))
    await here.add('absolute', lie(/^URL: .*$/m, `URL: ${here.dir.join('nar', good.file)}`))
    await here.add('remote', lie(/^URL: .*$/m, 'URL: http://127.0.0.1:1/nar/x.nar'))
    await here.add('unknown', lie(/^Compression: .*$/m, 'Compression: lrzip'))
    await here.add('other', lie(/^StorePath: .*$/m, `StorePath: /nix/store/${'0'.repeat(32)}-other`))
    await here.add('garbage', { change: () => 'garbage' })
    const { status, stdout, stderr } = await here.push()
    await rm(here.dir.join('..', `${path.basename(here.dir.path)}.nar`))
    expect([status, stdout]).toEqual([1, expect.stringMatching(/sent 1 \(.*, 0 there already, 6 failed\n$/)])
    expect(stderr.match(/^depot: /gm)).toHaveLength(6)
    expect(await here.serves(good)).toBe(true)
    expect(here.world.bugs).toEqual([])
  })

  it('takes single paths from the folder, and nothing that it has not', async () => {
    await using here = await folder()
    const [one, two] = [await here.add('one'), await here.add('two')]
    expect(await here.push(`/nix/store/${one.key}-one`)).toMatchObject({ status: 0 })
    expect([await here.serves(one), await here.serves(two)]).toEqual([true, false])
    expect(await here.push(`/nix/store/${'0'.repeat(32)}-x`)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('it is not there') as unknown,
    })
    expect(await here.push('nixpkgs#hello')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--dir has store paths alone') as unknown,
    })
  })

  it('says so when there is nothing', async () => {
    await using here = await folder()
    expect(await here.push()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('holds no narinfo') as unknown,
    })
    const nowhere = await runDepot(['nix', 'push', here.world.url])
    expect(nowhere).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('.depot-storage/nix is no folder') as unknown,
    })
  })
})

describe('depot push', () => {
  it('brings what was saved of all ecosystems, with one summary, and one that is broken does not stop the others', async () => {
    await using world = await startWorld()
    await using saved = await tempDir('saved')
    await saveFixture(saved.join('npm'), { name: 'demo', versions: ['1.0.0'] })
    const wheel = buildWheel({ name: 'greeting', version: '1.0' })
    await mkdir(saved.join('python', 'greeting'), { recursive: true })
    await writeFile(saved.join('python', 'greeting', wheel.filename), wheel.bytes)
    const added = storePathOf('hello', randomBytes(500), 'zstd')
    await mkdir(saved.join('nix', 'nar'), { recursive: true })
    await writeFile(saved.join('nix', 'nar', added.file), added.packed)
    await writeFile(
      saved.join('nix', `${added.key}.narinfo`),
      `${added.narinfo}Sig: upstream-1:${Buffer.alloc(64).toString('base64')}\n`,
    )
    await writeFile(saved.join('nix', `${'0'.repeat(32)}.narinfo`), 'garbage')
    const push = (...flags: readonly string[]) => runDepot(['push', world.url, '--dir', saved.path, ...flags])
    const dry = await push('--dry-run')
    expect(dry.stdout).toMatch(/\nwould send 3 \(.*\), 0 there already, 1 failed\n$/)
    const less = await push('--dry-run', '--skip-signed-by', 'upstream-1')
    expect(less.stdout).toMatch(/\nwould send 2 \(.*\), 0 there already, 1 failed, 1 left out\n$/)
    expect(await world.depot.kv.auditHead()).toBe(0)
    const { status, stdout, stderr } = await push()
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^depot: 0{32}\.narinfo: .*\n$/)])
    expect(stdout).toMatch(/\nsent 3 \(.*\), 0 there already, 1 failed\n$/)
    for (const at of [`/nix/${added.key}.narinfo`, '/npm/demo/1.0.0', '/python/simple/greeting/'])
      expect((await world.fetch(at)).status).toBe(200)
    expect((await push()).stdout).toBe('sent 0 (0 bytes), 3 there already, 1 failed\n')
    expect(world.bugs).toEqual([])
  })

  it('says so when nothing was saved, and refuses to guess what is meant', async () => {
    const url = 'http://127.0.0.1:1'
    expect(await runDepot(['push', url])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('there is nothing to push') as unknown,
    })
    expect(await runDepot(['push', url, '--dir', '.', '--store-paths', `${'0'.repeat(32)}-x`])).toMatchObject({
      status: 2,
    })
    expect(await runDepot(['push', url, 'http://127.0.0.1:2'])).toMatchObject({ status: 2 })
    for (const command of [['push'], ['nix', 'push']])
      expect(await runDepot([...command, url, '--derivation'])).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('--derivation is about paths that are named') as unknown,
      })
  })
})
