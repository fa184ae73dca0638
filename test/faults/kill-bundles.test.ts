import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { readTree, writeTree, type Tree } from '../helpers/bundles.ts'
import { describeWith } from '../helpers/have.ts'
import { killedWhen } from '../helpers/killed-depot.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const ROUNDS = 20
const MIB = 1024 * 1024
const ANYBODY = '--allow-unsigned'
const TREE_BYTES = 10 * MIB
const packages = Array.from({ length: 40 }, (_, index) => `npm/p${index}`)
const TREE: Tree = Object.fromEntries(
  packages.flatMap((name) => [
    [`${name}/x-1.0.0.tgz`, randomBytes(MIB / 4)],
    [`${name}/metadata.json`, JSON.stringify({ name })],
  ]),
)

/**
 * Kill a command at twenty places of its way, and over again when it was always done or not begun: it may be quicker than whoever looks how
 * far it is. `check` looks at what is left each time, and tells whether that is a half.
 */
async function killOverAndOver(
  args: readonly string[],
  way: () => Promise<number>,
  check: (round: number) => Promise<boolean>,
): Promise<void> {
  let halves = 0
  for (let round = 0; round < ROUNDS || halves === 0; round++) {
    await killedWhen(async () => (await way()) >= (round % ROUNDS) / ROUNDS, args)
    if (await check(round)) halves++
  }
}

/** How many bytes there are of the tree below a folder, in files of any name: 1 when all are there. */
async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      stat(path.join(entry.parentPath, entry.name)).then(
        ({ size }) => size,
        () => 0,
      ),
    )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0) / TREE_BYTES
}

/** How many of its files are visible: 1 when all are. */
async function visibleBelow(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  return names.filter((at) => /^npm\/p\d+\/[^/]+$/.test(at)).length / Object.keys(TREE).length
}

describe('depot bundle create, killed', () => {
  it.each([
    ['a file', 'x.tar', []],
    ['volumes', 'x.tar', ['--split', '2M']],
    ['a folder', 'folder/', []],
  ])('leaves %s whole or nothing that verifies', { timeout: 300_000 }, async (_what, target, flags) => {
    await using dir = await tempDir('kill')
    await writeTree(dir.join('saved'), TREE)
    const place = path.join(dir.path, 'written', target)
    const create = [
      'bundle',
      'create',
      target.endsWith('/') ? `${place}/` : place,
      '--dir',
      dir.join('saved'),
      ...flags,
    ]
    const written = dir.join('written')
    await killOverAndOver(
      create,
      () => bytesBelow(written),
      async () => {
        const verified = await runDepot(['bundle', 'verify', place, ANYBODY])
        if (verified.status === 0) await rm(written, { recursive: true })
        else expect(verified.stderr).toMatch(/is not there|not complete|is missing/)
        return verified.status !== 0
      },
    )
    expect(await runDepot(create)).toMatchObject({ status: 0 })
    expect(await runDepot(['bundle', 'verify', place, ANYBODY])).toMatchObject({ status: 0 })
    expect((await readdir(written)).filter((name) => name.endsWith('.partial'))).toEqual([])
  })
})

describe('depot bundle import, killed', () => {
  it.each([
    ['a file', 'x.tar'],
    ['what comes once', 'x.tar.zst'],
    ['a folder', 'folder'],
  ])('of %s shows whole files alone, and the next run brings the rest', { timeout: 300_000 }, async (_what, name) => {
    await using dir = await tempDir('kill')
    await writeTree(dir.join('saved'), TREE)
    const place = dir.join(name)
    await runDepot(['bundle', 'create', name === 'folder' ? `${place}/` : place, '--dir', dir.join('saved')])
    const whole = await readTree(dir.join('saved'))
    const bring = ['bundle', 'import', place, ANYBODY, '--dir', dir.join('out')]
    const way = async (): Promise<number> =>
      ((await bytesBelow(dir.join('out'))) + (await visibleBelow(dir.join('out')))) / 2
    await killOverAndOver(bring, way, async (round) => {
      const there = Object.entries(await readTree(dir.join('out'))).filter(([at]) => !/(?:^|\/)\./.test(at))
      for (const [at, content] of there) expect({ at, whole: content === whole[at] }).toEqual({ at, whole: true })
      const names = new Set(there.map(([at]) => at))
      for (const at of names)
        if (at.endsWith('metadata.json')) expect(names).toContain(at.replace('metadata.json', 'x-1.0.0.tgz'))
      if (round % 5 === 4) await rm(dir.join('out'), { recursive: true, force: true })
      return there.length > 0 && there.length < Object.keys(whole).length
    })
    const last = await runDepot([...bring, '--json'])
    expect(last.status).toBe(0)
    expect(await readTree(dir.join('out'))).toEqual(whole)
    const again = await runDepot(bring)
    expect(again.stdout).toContain(`saved 0 (0 bytes), ${Object.keys(whole).length} there already`)
  })
})

describeWith('tmpfs', 'depot bundle on a disk that fills', () => {
  it('says so, leaves nothing half, and goes on once there is space', { timeout: 120_000 }, async () => {
    await using dir = await tempDir('volume')
    const volume = dir.join('volume')
    await mkdir(volume)
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', volume])
    try {
      await writeTree(dir.join('saved'), TREE)
      await fillUp(volume, 5 * MIB)
      const create = ['bundle', 'create', `${volume}/x.tar`, '--dir', dir.join('saved')]
      expect(await runDepot(create)).toMatchObject({ status: 1, stderr: expect.stringContaining('is full') })
      expect(await readdir(volume)).toEqual(['filler'])
      await rm(`${volume}/filler`)
      expect(await runDepot(create)).toMatchObject({ status: 0 })
      await promisify(execFile)('mv', [`${volume}/x.tar`, dir.join('x.tar')])

      await fillUp(volume, 5 * MIB)
      const bring = ['bundle', 'import', dir.join('x.tar'), ANYBODY, '--dir', `${volume}/out`]
      expect(await runDepot(bring)).toMatchObject({ status: 1, stderr: expect.stringContaining('is full') })
      const whole = await readTree(dir.join('saved'))
      for (const [at, content] of Object.entries(await readTree(`${volume}/out`)))
        if (!/(?:^|\/)\./.test(at)) expect({ at, whole: content === whole[at] }).toEqual({ at, whole: true })
      await rm(`${volume}/filler`)
      expect(await runDepot(bring)).toMatchObject({ status: 0 })
      expect(await readTree(`${volume}/out`)).toEqual(whole)
    } finally {
      await promisify(execFile)('umount', ['--lazy', volume])
    }
  })
})

/** Take all space but `leftBytes`. */
async function fillUp(volume: string, leftBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(volume)
  await writeFile(path.join(volume, 'filler'), Buffer.alloc(Math.max(bavail * bsize - leftBytes, 0), 1))
}
