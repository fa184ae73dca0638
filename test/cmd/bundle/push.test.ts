import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { hexOfNix32 } from '../../../protocols/nix/nix32.ts'
import { sha256Of } from '../../helpers/bundles.ts'
import { startWorld } from '../../helpers/world.ts'
import { runDepot, type Finished } from '../../helpers/run-depot.ts'
import { saveFixture } from '../../helpers/saved-npm.ts'
import { storePathOf } from '../../helpers/store-path.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { buildWheel } from '../../helpers/wheel.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', '..', 'cmd', 'launch.js')
const ANYBODY = '--allow-unsigned'

/** A folder with something of each ecosystem, an empty depot, and `depot bundle` on both. */
async function savedWorld() {
  await using made = new AsyncDisposableStack()
  const dir = made.use(await tempDir('bundle'))
  const world = made.use(await startWorld())
  const saved = dir.join('saved')
  await saveFixture(path.join(saved, 'npm'), { name: 'greeting', versions: ['1.0.0'] })
  const wheel = buildWheel({ name: 'greeting', version: '1.0' })
  await mkdir(path.join(saved, 'python', 'greeting'), { recursive: true })
  await writeFile(path.join(saved, 'python', 'greeting', wheel.filename), wheel.bytes)
  const hashes = { sha256: sha256Of(wheel.bytes) }
  const entry = { filename: wheel.filename, url: wheel.filename, hashes, 'upload-time': '2020-01-01T00:00:00Z' }
  await writeFile(path.join(saved, 'python', 'greeting', `${wheel.filename}.json`), JSON.stringify(entry))
  const nix = storePathOf('greeting', randomBytes(50_000), 'zstd')
  await mkdir(path.join(saved, 'nix', 'nar'), { recursive: true })
  await writeFile(path.join(saved, 'nix', 'nix-cache-info'), 'StoreDir: /nix/store\n')
  const nar = `nar/${nix.narHash}.nar.zst`
  await writeFile(path.join(saved, 'nix', nar), nix.packed)
  await writeFile(path.join(saved, 'nix', `${nix.key}.narinfo`), nix.narinfo.replace(/^URL: .*$/m, `URL: ${nar}`))
  const owned = made.move()
  const bundle = (...args: readonly string[]): Promise<Finished> => runDepot(['bundle', ...args])
  return {
    dir,
    world,
    wheel,
    nix,
    create: (name: string, ...more: readonly string[]) =>
      bundle('create', name.endsWith('/') ? `${dir.path}/${name}` : dir.join(name), '--dir', saved, ...more),
    bring: (name: string, ...more: readonly string[]) => bundle('import', dir.join(name), world.url, ANYBODY, ...more),
    async serves(): Promise<readonly boolean[]> {
      const urls = [
        '/npm/greeting/-/greeting-1.0.0.tgz',
        `/python/files/greeting/${wheel.filename}`,
        `/nix/${nix.key}.narinfo`,
        `/nix/nar/${nix.narHash}.nar`,
      ]
      return Promise.all(urls.map(async (url) => (await world.fetch(url)).ok))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const ALL = [true, true, true, true]

describe('depot bundle import into a depot', () => {
  it.each([
    ['a file', 'carry.tar', []],
    ['volumes', 'carry.tar', ['--split', '10K']],
    ['a folder', 'carry/', []],
  ])('brings %s in without unpacking it, and nothing twice', async (_what, name, flags) => {
    await using here = await savedWorld()
    const { dir, create, bring, serves } = here
    expect(await create(name, ...flags)).toMatchObject({ status: 0 })
    const before = await readdir(dir.path)
    expect((await bring(name, '--dry-run')).stdout).toContain('would send 3')
    expect(await serves()).toEqual([false, false, false, false])
    const brought = await bring(name)
    expect(brought).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('sent 3') })
    expect(await serves()).toEqual(ALL)
    expect((await bring(name)).stdout).toContain('sent 0 (0 bytes), 3 there already, 0 failed')
    expect(await readdir(dir.path)).toEqual(before)
    expect(here.world.bugs).toEqual([])
  })

  it('unpacks first what comes through a pipe, or is compressed', async () => {
    await using here = await savedWorld()
    const { dir, create, bring, serves, world } = here
    await create('carry.tar.zst')
    const piped = `"$NODE" "$DEPOT" bundle import - ${world.url} ${ANYBODY} --dir out < carry.tar.zst`
    const env = { ...process.env, NODE: process.execPath, DEPOT: LAUNCHER }
    const { stdout } = await promisify(execFile)('sh', ['-c', piped], { cwd: dir.path, env })
    expect(stdout).toContain('sent 3')
    expect(await serves()).toEqual(ALL)
    expect((await readdir(dir.join('out'))).toSorted()).toEqual(['nix', 'npm', 'python'])
    expect((await bring('carry.tar.zst', '--dir', dir.join('out'))).stdout).toContain(
      'sent 0 (0 bytes), 3 there already',
    )
    expect((await bring('carry.tar.zst', '--dry-run')).status).toBe(2)
  })

  it('takes what was left out because the depot has it', async () => {
    await using here = await savedWorld()
    const { dir, create, bring, serves, wheel, nix } = here
    await create('all.tar')
    await bring('all.tar')
    const tarball = await readFile(dir.join('saved', 'npm', 'greeting', 'greeting-1.0.0.tgz'))
    const held = [sha256Of(tarball), sha256Of(wheel.bytes), hexOfNix32(nix.narHash) ?? ''].toSorted()
    await writeFile(dir.join('inventory'), ['# depot-inventory/1', ...held, ''].join('\n'))
    await saveFixture(dir.join('saved', 'npm'), { name: 'greeting', versions: ['1.0.0', '1.1.0'] })
    const made = await create('delta.tar', '--for', dir.join('inventory'), '--json')
    expect(JSON.parse(made.stdout)).toMatchObject({ files: 8, carried: 5 })
    const brought = await bring('delta.tar', '--json')
    expect(brought.stdout).toContain('greeting@1.1.0')
    expect(brought).toMatchObject({ status: 0, stderr: '' })
    expect(await serves()).toEqual(ALL)
    expect((await here.world.fetch('/npm/greeting/-/greeting-1.1.0.tgz')).ok).toBe(true)
  })

  it('brings a delta whose store paths need what came before', async () => {
    await using here = await savedWorld()
    const { dir, create, bring, nix, world } = here
    await create('one.tar')
    await bring('one.tar')
    const next = storePathOf('next', randomBytes(1000), 'zstd')
    const references = `References: ${nix.key}-greeting`
    const nar = `nar/${next.narHash}.nar.zst`
    await writeFile(dir.join('saved', 'nix', nar), next.packed)
    const narinfo = next.narinfo.replace(/^URL: .*$/m, `URL: ${nar}`).replace(/^References: .*$/m, references)
    await writeFile(dir.join('saved', 'nix', `${next.key}.narinfo`), narinfo)
    const made = await create('two.tar', '--since', dir.join('one.tar'), '--json')
    expect(JSON.parse(made.stdout)).toMatchObject({ files: 9, carried: 2 })
    expect(await bring('two.tar')).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('sent 1') })
    expect(await (await world.fetch(`/nix/${next.key}.narinfo`)).text()).toContain(references)
  })

  it('names everything that neither a delta nor the depot has', async () => {
    await using here = await savedWorld()
    const { create, bring, serves, wheel, nix } = here
    await create('one.tar')
    await create('two.tar', '--since', here.dir.join('one.tar'))
    for (const more of [['--dry-run'], []]) {
      const { status, stderr } = await bring('two.tar', ...more)
      expect(status).toBe(1)
      for (const item of ['greeting-1.0.0.tgz', wheel.filename, `${nix.key}.narinfo`]) expect(stderr).toContain(item)
      expect(stderr).toContain('bring in the bundle that this one builds on first')
    }
    await bring('one.tar')
    expect(await serves()).toEqual(ALL)
    expect(await bring('two.tar')).toMatchObject({ status: 0, stderr: '' })
  })

  it('sends nothing of a bundle that is damaged anywhere', async () => {
    await using here = await savedWorld()
    const { dir, create, bring, serves, wheel } = here
    await create('carry.tar')
    const bytes = await readFile(dir.join('carry.tar'))
    const at = bytes.indexOf(wheel.bytes.subarray(0, 100)) + 50
    bytes[at] = (bytes[at] ?? 0) ^ 1
    await writeFile(dir.join('carry.tar'), bytes)
    expect(await bring('carry.tar')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('nothing of it was brought in'),
    })
    expect(await serves()).toEqual([false, false, false, false])
  })
})
