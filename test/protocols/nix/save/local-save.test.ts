import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { decodeAs } from '../../../../src/codec/decode.ts'
import { parseNarinfo } from '../../../../protocols/nix/narinfo.ts'
import { compress } from '../../../helpers/compress.ts'
import { collect, inPieces } from '../../../helpers/depot.ts'
import { BUILD_TRACE_SCHEMA, REALISATIONS_SCHEMA, testStore, type TestStore } from '../../../helpers/local-store.ts'
import { runDepot, type Finished } from '../../../helpers/run-depot.ts'
import { tempDir, type TempDir } from '../../../helpers/temp-dir.ts'

let store: TestStore
let dir: TempDir

beforeEach(async () => {
  store = await testStore()
  dir = await tempDir('nix-save')
})
afterEach(async () => {
  await dir[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

const save = (...args: readonly string[]): Promise<Finished> =>
  runDepot(['nix', 'save', '--nix-store', store.root, '--dir', dir.path, ...args])
const file = (content: string) => (at: string) => writeFile(at, content)
const narinfo = async (storeHash: string) => parseNarinfo(await readFile(dir.join(`${storeHash}.narinfo`), 'utf8'))

describe('what is saved from the local store', () => {
  it('has the archives of its files as zstd, and the signatures and the rest of its database', async () => {
    const low = await store.add('low', file('low'))
    const deriver = `/nix/store/${'0'.repeat(32)}-top.drv`
    const sigs = `a-1:${'A'.repeat(86)}== b-1:${'B'.repeat(86)}==`
    const top = await store.add(
      'top',
      async (at) => {
        await mkdir(at)
        await writeFile(path.join(at, 'data'), Buffer.alloc(3_000_000, 'data '))
      },
      { references: [low.baseName], deriver, sigs },
    )
    const { status, stderr } = await save(`/nix/store/${top.baseName}/data`)
    expect([stderr, status]).toEqual(['', 0])
    const saved = await narinfo(top.storeHash)
    expect(saved).toMatchObject({
      url: `nar/${top.narHash}.nar.zst`,
      compression: 'zstd',
      references: [low.baseName],
      deriver: path.basename(deriver),
      signatures: sigs.split(' '),
    })
    const bytes = await readFile(dir.join(saved.url))
    expect(bytes.length).toBe(saved.fileSizeBytes)
    expect((await collect(decodeAs('zstd', inPieces(bytes)))).equals(top.nar)).toBe(true)
  })

  it('is never what the database does not tell of: that fails alone', async () => {
    const changed = await store.add('changed', file('before'))
    const good = await store.add('good', file('good'))
    await writeFile(changed.file, 'later!')
    const { status, stderr, stdout } = await save(...[changed, good].map(({ baseName }) => `/nix/store/${baseName}`))
    expect([status, stdout]).toEqual([1, expect.stringMatching(/saved 1 .*, 1 failed/)])
    expect(stderr).toContain('is not the sha256:')
    expect((await readdir(dir.path, { recursive: true })).sort()).toEqual(
      ['nar', `nar/${good.narHash}.nar.zst`, 'nix-cache-info', `${good.storeHash}.narinfo`].sort(),
    )
  })

  it('is not what is invalid, though it lies there', async () => {
    const gone = await store.add('gone', file('gone'))
    store.invalidate(gone.baseName)
    const { status, stderr } = await save('--store-paths', gone.baseName)
    expect([status, stderr]).toEqual([1, expect.stringContaining('it is not in the local store')])
  })

  it('comes with logs, decoded, when they are asked for', async () => {
    const [one, two] = ['1', '2'].map((digit) => `${digit.repeat(32)}-made.drv`)
    const made = [
      await store.add('one', file('one'), { deriver: `/nix/store/${one}` }),
      await store.add('two', file('two'), { deriver: `/nix/store/${two}` }),
    ]
    await store.addLog(`${one}.bz2`, await compress('bzip2', Buffer.from('made one\n')))
    await store.addLog(two ?? '', 'made two\n')
    expect((await save('--logs', ...made.map(({ baseName }) => `/nix/store/${baseName}`))).status).toBe(0)
    expect(await readFile(dir.join('log', one ?? ''), 'utf8')).toBe('made one\n')
    expect(await readFile(dir.join('log', two ?? ''), 'utf8')).toBe('made two\n')
  })

  it('comes with what tells of which derivations it is an output, in the forms of older and newer clients', async () => {
    const { baseName } = await store.add('addressed', file('addressed'))
    store.database.exec(REALISATIONS_SCHEMA + BUILD_TRACE_SCHEMA)
    const [id, derivation] = [`sha256:${'ab'.repeat(32)}`, `${'3'.repeat(32)}-addressed.drv`]
    const signature = `a-1:${'A'.repeat(86)}==`
    store.database
      .prepare(
        'insert into Realisations (drvPath, outputName, outputPath, signatures) select ?, ?, id, ? from ValidPaths',
      )
      .run(id, 'out', signature)
    store.database
      .prepare('insert into BuildTraceV3 (drvPath, outputName, outputPath, signatures) values (?, ?, ?, ?)')
      .run(derivation, 'out', `/nix/store/${baseName}`, signature)
    expect((await save(`/nix/store/${baseName}`)).status).toBe(0)
    const older = JSON.parse(await readFile(dir.join(`realisations/${id}!out.doi`), 'utf8')) as unknown
    expect(older).toEqual({ id: `${id}!out`, outPath: baseName, dependentRealisations: {}, signatures: [signature] })
    const newer = JSON.parse(await readFile(dir.join(`build-trace-v2/${derivation}/out.doi`), 'utf8')) as unknown
    const [keyName, sig] = signature.split(':')
    expect(newer).toEqual({ outPath: baseName, signatures: [{ keyName, sig }] })
  })

  it('needs a store, and says so', async () => {
    const { status, stderr } = await save('--nix-store', dir.join('nowhere'), `/nix/store/${'0'.repeat(32)}-x`)
    expect([status, stderr]).toEqual([1, expect.stringContaining('no Nix store')])
  })
})

it('what is named is read from standard input too, without comments', async () => {
  const one = await store.add('one', file('one'))
  const { status, stdout } = await runDepot(
    ['nix', 'save', '--stdin', '--nix-store', store.root, '--dir', dir.path],
    {},
    `# all of it\n\n  /nix/store/${one.baseName}\r\n`,
  )
  expect([status, stdout]).toEqual([0, expect.stringContaining('saved 1 ')])
})
