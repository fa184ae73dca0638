import assert from 'node:assert/strict'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { python } from '../../../protocols/python/index.ts'
import { describeWith } from '../../helpers/have.ts'
import { createDatabase } from '../../helpers/postgres-database.ts'
import { postForm, uploadForm } from '../../helpers/python-upload.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const FIRST = buildWheel({ name: 'greeting', version: '1.0' })
const TAGGED = buildWheel({ name: 'greeting', version: '1.0', tag: '7-py2.py3-none-linux_x86_64.win32' })
const SDIST = buildSdist({ name: 'greeting', version: '1.0' })

/** Every other spelling means the same file to an installer as the name in front of it. */
const SPELLINGS: readonly [BuiltFile, string][] = [
  [FIRST, 'Greeting-1.0-py3-none-any.whl'],
  [FIRST, 'greeting-1.0.0-py3-none-any.whl'],
  [FIRST, 'greeting-01.0-py3-none-any.whl'],
  [FIRST, 'greeting-1-py3-none-any.whl'],
  [FIRST, 'greeting-v1.0-py3-none-any.whl'],
  [FIRST, 'greeting-0!1.0-py3-none-any.whl'],
  [FIRST, 'greeting-1.0-PY3-none-any.whl'],
  [FIRST, 'greeting-1.0-py3-None-ANY.whl'],
  [FIRST, 'greeting-1.0-py3.py3-none-any.whl'],
  [TAGGED, 'greeting-1.0-7-py3.py2-none-linux_x86_64.win32.whl'],
  [TAGGED, 'greeting-1.0-7-py2.py3-none-win32.linux_x86_64.whl'],
  [TAGGED, 'greeting-1.0-07-py2.py3-none-linux_x86_64.win32.whl'],
  [SDIST, 'Greeting-1.0.tar.gz'],
  [SDIST, 'greeting-1.0.0.tar.gz'],
]

/** Other bytes of the same name and version, or the same ones, under a name of one's choice. */
function spelled(filename: string, { of, value }: { readonly of: BuiltFile; readonly value?: string }): BuiltFile {
  if (value === undefined) return { ...of, filename }
  const [, version = ''] = /-(.*?)(?:-|\.tar\.gz)/.exec(filename) ?? []
  const build = filename.endsWith('.whl') ? buildWheel : buildSdist
  return { ...build({ name: 'greeting', version, value }), filename }
}

const upload = ({ url }: World, file: BuiltFile) => postForm(url, uploadForm(file))
const put = (world: World, { filename, bytes }: BuiltFile) =>
  world.fetch(`/python/greeting/${filename}`, { method: 'PUT', body: Uint8Array.from(bytes) })

async function names(world: World): Promise<readonly string[]> {
  const headers = { Accept: 'application/vnd.pypi.simple.v1+json' }
  const answer = await world.fetch('/python/simple/greeting/', { headers })
  if (answer.status === 404) return []
  return ((await answer.json()) as { files: { filename: string }[] }).files.map(({ filename }) => filename)
}

async function remove(world: World, file: string): Promise<void> {
  const body = JSON.stringify({ file })
  const answer = await world.fetch('/python/-/projects/greeting/deletions', { method: 'POST', body })
  expect(answer.status).toBe(200)
}

const forget = async (world: World, file: string): Promise<number> =>
  (await world.fetch(`/python/-/tombstones/greeting/${file}`, { method: 'DELETE' })).status

/** As a depot left it that kept no records of what its files are to installers. */
async function dropPlaces({ depot }: World): Promise<void> {
  for (const kind of ['python-distribution', 'python-placed']) {
    const records = await depot.kv.list(1, kind, { from: '', limit: 10_000 })
    await depot.kv.commit({ cache: 1, deletes: records.map(({ key }) => ({ kind, key })) })
  }
}

function refsOf(file: string): readonly string[] {
  const { sha256, metadata } = JSON.parse(file) as { sha256: string; metadata?: { sha256: string } }
  return metadata === undefined ? [sha256] : [sha256, metadata.sha256]
}

/** One spelling beside another one, as such a depot took them. */
async function storeBoth(world: World, ...files: readonly BuiltFile[]): Promise<void> {
  for (const file of files) {
    await dropPlaces(world)
    const aside = await world.depot.kv.list(1, 'python-file', { from: '', limit: 100 })
    await world.depot.kv.commit({ cache: 1, deletes: aside.map(({ key }) => ({ kind: 'python-file', key })) })
    expect((await upload(world, file)).status).toBe(200)
    const puts = aside.map(({ key, value }) => ({ kind: 'python-file', key, value, refs: refsOf(value) }))
    await world.depot.kv.commit({ cache: 1, puts })
  }
  await dropPlaces(world)
}

describe('a distribution has one name', () => {
  let world: World

  beforeEach(async () => {
    world = await startWorld({ protocols: [python] })
  })

  afterEach(async () => {
    assert.deepEqual(world.bugs, [])
    await world[Symbol.asyncDispose]()
  })

  it.each(SPELLINGS)('%#: beside %o another spelling is refused, whatever its bytes: %s', async (first, filename) => {
    expect((await upload(world, first)).status).toBe(200)
    for (const again of [spelled(filename, { of: first, value: 'other' }), spelled(filename, { of: first })]) {
      for (const send of [upload, put]) {
        const refused = await send(world, again)
        expect([refused.status, await refused.text()]).toEqual([
          409,
          expect.stringContaining(`File already exists as ${first.filename}`),
        ])
      }
    }
    expect(await names(world)).toEqual([first.filename])
    expect((await upload(world, first)).status).toBe(200)
  })

  it('and a deleted one comes back under no other', async () => {
    await upload(world, FIRST)
    await remove(world, FIRST.filename)
    const again = spelled('Greeting-1.0.0-PY3-none-any.whl', { of: FIRST, value: 'other' })
    const refused = await put(world, again)
    expect([refused.status, await refused.text()]).toEqual([
      409,
      expect.stringContaining(`${FIRST.filename} was deleted`),
    ])
    expect(await forget(world, FIRST.filename)).toBe(200)
    expect((await put(world, again)).status).toBe(201)
    expect((await put(world, FIRST)).status).toBe(409)
    expect(await names(world)).toEqual([again.filename])
  })

  it('but every build, every set of tags and every archive is one of its own', async () => {
    const files = [
      FIRST,
      TAGGED,
      SDIST,
      buildSdist({ name: 'greeting', version: '1.0', archive: 'zip' }),
      ...['0-py3-none-any', '1-py3-none-any', '1a-py3-none-any', 'py2.py3-none-any', 'py3-none-win32'].map((tag) =>
        buildWheel({ name: 'greeting', version: '1.0', tag }),
      ),
      ...['1.0.post0', '1.0.dev0', '1.0a0', '1.0+local', '1!1.0', '1.0.1', '10'].map((version) =>
        buildWheel({ name: 'greeting', version }),
      ),
    ]
    for (const file of files) expect([file.filename, (await upload(world, file)).status]).toEqual([file.filename, 200])
    expect(await names(world)).toHaveLength(files.length)
  })

  it('of two spellings at once one wins', async () => {
    for (let round = 1; round < 8; round++) await race(world, world, round)
  })

  it('also of files that were stored before that was kept, live and deleted', async () => {
    for (const file of [FIRST, TAGGED, SDIST]) await upload(world, file)
    await remove(world, TAGGED.filename)
    await dropPlaces(world)
    for (const [first, filename] of SPELLINGS) {
      const refused = await put(world, spelled(filename, { of: first, value: 'other' }))
      expect([filename, refused.status]).toEqual([filename, 409])
    }
    expect((await upload(world, buildWheel({ name: 'greeting', version: '2.0' }))).status).toBe(200)
  })

  it('also of the last of more files than are looked at together', async () => {
    await upload(world, FIRST)
    const [record] = await world.depot.kv.list(1, 'python-file', { from: '', limit: 1 })
    assert.ok(record)
    const names = Array.from({ length: 1203 }, (_, build) => `greeting-1.0-${build}-py3-none-any.whl`)
    const puts = names.map((filename) => ({
      kind: 'python-file',
      key: `greeting/${filename}`,
      value: record.value.replaceAll(FIRST.filename, filename),
      refs: [FIRST.sha256],
    }))
    await world.depot.kv.commit({ cache: 1, puts })
    await dropPlaces(world)
    for (const build of ['0', '999', '1202']) {
      const filename = `Greeting-1-${build}-py3-none-any.whl`
      expect((await put(world, spelled(filename, { of: FIRST, value: 'other' }))).status).toBe(409)
    }
    const other = { filename: 'Greeting-1-1203-py3-none-any.whl', of: FIRST }
    expect((await put(world, spelled(other.filename, { ...other, value: 'other' }))).status).toBe(201)
  })

  it('a file with two names from before keeps both, and one that is forgotten stays taken by the other', async () => {
    const second = spelled('Greeting-1.0-py3-none-any.whl', { of: FIRST, value: 'second' })
    await storeBoth(world, FIRST, second)
    expect(await names(world)).toEqual([second.filename, FIRST.filename])
    for (const [gone, left] of [
      [second, FIRST],
      [FIRST, second],
    ] as const) {
      await remove(world, gone.filename)
      expect(await forget(world, gone.filename)).toBe(200)
      const refused = await put(world, spelled(gone.filename, { of: FIRST, value: 'third' }))
      expect([refused.status, await refused.text()]).toEqual([
        409,
        expect.stringContaining(`File already exists as ${left.filename}`),
      ])
      expect((await put(world, left)).status).toBe(200)
      await storeBoth(world, gone)
    }
  })
})

/** Send two spellings of a file that is new, to one server or to two. */
async function race(one: World, other: World, round: number): Promise<void> {
  const files = [`greeting-${round}.0`, `Greeting-${round}.0.0`, `greeting-${round}`].map((stem) =>
    spelled(`${stem}-py3-none-any.whl`, { of: FIRST, value: stem }),
  )
  const before = await names(one)
  const answers = await Promise.all(files.map((file, at) => put(at % 2 === 0 ? one : other, file)))
  expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['201', '409', '409'])
  const won = files[answers.findIndex(({ status }) => status === 201)]?.filename
  for (const world of [one, other]) expect(new Set(await names(world))).toEqual(new Set([...before, won]))
}

describeWith('postgres', 'over one PostgreSQL', () => {
  it('two servers take one of two spellings that come at once', async () => {
    await using database = await createDatabase()
    await using one = await startWorld({ protocols: [python], databaseUrl: database.url })
    await using other = await startWorld({ protocols: [python], databaseUrl: database.url })
    for (let round = 1; round < 8; round++) await race(one, other, round)
    for (const { bugs } of [one, other]) expect(bugs).toEqual([])
  })
})
