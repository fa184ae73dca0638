import { mkdir, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { killedImport } from '../../helpers/killed-import.ts'
import { pythonTransfer, type PythonTransfer } from '../../helpers/python-transfer.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { startUpstream } from '../../helpers/upstream.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../../helpers/wheel.ts'

interface Move extends PythonTransfer {
  /** Write a file, changed at a time. */
  save(file: Pick<BuiltFile, 'filename' | 'bytes'>, changed?: Date, below?: string): Promise<string>
}

const YEARS_AGO = new Date('2020-02-02T02:02:02Z')

async function move(): Promise<Move> {
  const transfer = await pythonTransfer((folder, url) => ['python', 'import', folder, url])
  return {
    ...transfer,
    async save({ filename, bytes }, changed = YEARS_AGO, below = '') {
      const file = transfer.folder.join(below, filename)
      await mkdir(path.dirname(file), { recursive: true })
      await writeFile(file, bytes)
      await utimes(file, changed, changed)
      return file
    },
  }
}

describe('depot python import', () => {
  it('brings in wheels and sdists, also in folders, with the dates of their files', async () => {
    await using here = await move()
    const wheel = buildWheel({ name: 'My.Demo', version: '1.0', requiresPython: '>=3.8' })
    const sdist = buildSdist({ name: 'my-demo', version: '1.0' })
    await here.save(wheel)
    await here.save(sdist, new Date('2021-01-01T00:00:00Z'), 'older/ones')
    await here.save({ filename: 'my_demo-0.9-py3.8.egg', bytes: Buffer.from('egg') })
    await here.save({ filename: '.hidden', bytes: Buffer.from('x') })
    const { status, stdout } = await here.run()
    expect(await here.audited()).toContain(`my-demo/${wheel.filename} entry`)
    expect(stdout).toContain(`sent ${wheel.filename}\n`)
    expect(stdout).toContain(`sent older/ones/${sdist.filename}\n`)
    expect(stdout).toContain('left out my_demo-0.9-py3.8.egg: it is an egg, which no index takes any more\n')
    expect(stdout).toMatch(/\nsent 2 \([^)]+\), 0 there already, 0 failed, 1 left out\n$/)
    expect(status).toBe(0)
    expect(await here.files('my-demo')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          filename: wheel.filename,
          'upload-time': '2020-02-02T02:02:02.000Z',
          'requires-python': '>=3.8',
          'core-metadata': expect.objectContaining({ sha256: expect.any(String) as unknown }) as unknown,
        }),
        expect.objectContaining({ filename: sdist.filename, 'upload-time': '2021-01-01T00:00:00.000Z' }),
      ]),
    )
    expect(here.world.bugs).toEqual([])
  })

  it('sends nothing twice, and mends a date that a killed import did not come to', async () => {
    await using here = await move()
    const wheel = buildWheel({ name: 'twice', version: '1.0' })
    await here.save(wheel)
    const sent = { method: 'PUT', body: Uint8Array.from(wheel.bytes) }
    expect((await here.world.fetch(`/python/twice/${wheel.filename}`, sent)).status).toBe(201)
    expect((await here.run()).stdout).toBe('sent 0 (0 bytes), 1 there already, 0 failed\n')
    expect(await here.files('twice')).toMatchObject([{ 'upload-time': '2020-02-02T02:02:02.000Z' }])
    const before = await here.audited()
    await here.run()
    expect(await here.audited()).toEqual(before)
  })

  it('never makes a file younger than the depot knows it, and leaves out dates that lie ahead', async () => {
    await using here = await move()
    const [old, ahead] = [buildWheel({ name: 'old', version: '1.0' }), buildWheel({ name: 'ahead', version: '1.0' })]
    await here.save(old)
    await here.save(ahead, new Date(Date.now() + 86_400_000))
    await here.run()
    await here.save(old, new Date('2022-01-01T00:00:00Z'))
    expect((await here.run()).status).toBe(0)
    expect(await here.files('old')).toMatchObject([{ 'upload-time': '2020-02-02T02:02:02.000Z' }])
    const [file] = await here.files('ahead')
    expect(Date.parse(String(file?.['upload-time']))).toBeLessThanOrEqual(Date.now())
  })

  it('names what is damaged, what lies, and what the depot has otherwise; the rest comes in', async () => {
    await using here = await move()
    const good = buildWheel({ name: 'good', version: '1.0' })
    await here.save(good)
    const cut = await here.save(buildWheel({ name: 'cut', version: '1.0' }))
    await truncate(cut, 100)
    const lying = buildWheel({ name: 'lying', version: '1.0', stated: { name: 'good' } })
    await here.save(lying)
    await here.save(buildWheel({ name: 'same', version: '1.0', value: 'one' }), YEARS_AGO, 'a')
    const other = buildWheel({ name: 'same', version: '1.0', value: 'other' })
    const put = { method: 'PUT', body: Uint8Array.from(other.bytes) }
    await here.world.fetch(`/python/same/${other.filename}`, put)
    await using elsewhere = await tempDir('elsewhere')
    const secret = buildWheel({ name: 'secret', version: '1.0' })
    await writeFile(elsewhere.join(secret.filename), secret.bytes)
    await symlink(elsewhere.join(secret.filename), here.folder.join(secret.filename))
    await symlink(elsewhere.path, here.folder.join('folder'))
    const { status, stdout, stderr } = await here.run()
    expect(status).toBe(1)
    expect(stdout).toMatch(/^sent good-1\.0-py3-none-any\.whl\n/)
    expect(stderr).toMatch(/^depot: cut-1\.0-py3-none-any\.whl: \S/m)
    expect(stderr).toMatch(/^depot: lying-1\.0-py3-none-any\.whl: .*another project/m)
    expect(stderr).toContain(
      `same-1.0-py3-none-any.whl: the depot has another file of this name, with sha256 ${other.sha256}`,
    )
    for (const link of [secret.filename, 'folder']) expect(stderr).toContain(`depot: ${link}: it is a symbolic link\n`)
    for (const project of ['cut', 'lying', 'secret']) expect(await here.files(project)).toEqual([])
    expect(here.world.bugs).toEqual([])
  })

  it('names what the depot, or the folder, has in another spelling', async () => {
    await using here = await move()
    const wheel = buildWheel({ name: 'greeting', version: '1.0' })
    await here.world.fetch(`/python/greeting/${wheel.filename}`, { method: 'PUT', body: Uint8Array.from(wheel.bytes) })
    await here.save({ filename: 'Greeting-1.0-py3-none-any.whl', bytes: wheel.bytes })
    await here.save(buildWheel({ name: 'greeting', version: '1.0.0', value: 'other' }))
    const dry = await here.run('--dry-run')
    const real = await here.run()
    for (const { status, stderr } of [dry, real]) {
      const has = `the depot has it as ${wheel.filename}, with`
      expect(stderr).toContain(`depot: Greeting-1.0-py3-none-any.whl: ${has} the same bytes`)
      expect(stderr).toContain(`depot: greeting-1.0.0-py3-none-any.whl: ${has} other bytes`)
      expect(status).toBe(1)
    }
    for (const version of ['3.0', '3.0.0', '03']) await here.save(buildWheel({ name: 'greeting', version }))
    const { status, stdout, stderr } = await here.run()
    expect(status).toBe(1)
    expect(stdout).toContain('sent 1 (')
    expect(stderr.match(/: File already exists as greeting-0?3.*-py3-none-any\.whl/g)).toHaveLength(2)
    expect(await here.files('greeting')).toHaveLength(2)
    expect(here.world.bugs).toEqual([])
  })

  it('sends nothing in a dry run', async () => {
    await using here = await move()
    const wheel = buildWheel({ name: 'dry', version: '1.0' })
    await here.save(wheel)
    const { status, stdout } = await here.run('--dry-run', '--json')
    expect(status).toBe(0)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(lines).toMatchObject([
      { item: wheel.filename, result: 'sent', dryRun: true },
      { sent: 1, failed: 0, dryRun: true },
    ])
    expect(await here.audited()).toEqual([])
  })

  it('knows from the export of a devpi when files were uploaded, and which are damaged', async () => {
    await using here = await move()
    const [fine, damaged] = [
      buildWheel({ name: 'fine', version: '1.0' }),
      buildWheel({ name: 'damaged', version: '1.0' }),
    ]
    const files = []
    for (const { filename, sha256, bytes } of [fine, damaged]) {
      const below = `root/prod/${filename.split('-')[0]}/1.0`
      await here.save(
        {
          filename,
          bytes:
            filename === damaged.filename ? buildWheel({ name: 'damaged', version: '1.0', value: 'x' }).bytes : bytes,
        },
        new Date(),
        below,
      )
      const log = [{ what: 'upload', when: [2018, 8, 8, 8, 8, 8] }]
      files.push({ type: 'releasefile', relpath: `${below}/${filename}`, entrymapping: { hashes: { sha256 } }, log })
    }
    await writeFile(here.folder.join('dataindex.json'), JSON.stringify({ indexes: { 'root/prod': { files } } }))
    for (const folder of [here.folder.path, here.folder.join('root', 'prod')]) {
      const { status, stderr } = await runDepot(['python', 'import', folder, here.world.url])
      expect(status).toBe(1)
      expect(stderr).toContain(`${damaged.filename}: it is damaged: devpi's list says sha256 ${damaged.sha256}`)
    }
    expect(await here.files('fine')).toMatchObject([{ 'upload-time': '2018-08-08T08:08:08.000Z' }])
    expect(await here.files('damaged')).toEqual([])
  })

  it('leaves a project alone that takes no files, and brings in the others', async () => {
    await using here = await move()
    const [open, shut, known] = [
      buildWheel({ name: 'open', version: '1.0' }),
      buildWheel({ name: 'archived', version: '1.0' }),
      buildWheel({ name: 'archived', version: '0.9' }),
    ]
    await here.save(known)
    await here.run()
    const status = { method: 'POST', body: '{"status":"archived"}' }
    expect((await here.world.fetch('/python/-/projects/archived/status', status)).status).toBe(200)
    for (const file of [open, shut]) await here.save(file)
    const ran = await here.run()
    expect(ran).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/sent 1 \([^)]+\), 1 there already, 1 failed/),
    })
    expect(ran.stderr).toContain(`depot: ${shut.filename}: the depot has the project archived: it takes no files`)
  })

  it('repeats what stopped it, fit for a terminal', async () => {
    await using here = await move()
    await here.save(buildWheel({ name: 'fine', version: '1.0' }))
    await using server = await startUpstream((_, response) => response.writeHead(403).end('you may\u001b[2J not'))
    const env = { DEPOT_AUTH_TOKEN: 'dpt_any' }
    const { status, stderr } = await runDepot(['python', 'import', here.folder.path, server.url], env)
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('you may\uFFFD[2J not') as unknown,
    })
    expect(stderr).not.toContain('\u001b[2J')
  })

  it.each([
    ['nowhere', 'cannot be read'],
    ['', 'there is no wheel and no sdist'],
  ])('says what it was looking for in %j', async (name, why) => {
    await using here = await move()
    const { status, stderr } = await runDepot(['python', 'import', here.folder.join(name), here.world.url])
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(why) as unknown })
  })

  it('goes on where it was killed', async () => {
    await using here = await move()
    const wheels = Array.from({ length: 60 }, (_, index) =>
      buildWheel({ name: `p${index % 7}`, version: `1.${index}` }),
    )
    for (const wheel of wheels) await here.save(wheel)
    const told = await killedImport(['python', 'import', here.folder.path, here.world.url], 15)
    expect(told.length).toBeGreaterThanOrEqual(15)
    expect(told.length).toBeLessThan(60)
    const { status, stdout } = await here.run()
    expect(status).toBe(0)
    for (const item of told) expect(stdout).not.toContain(`sent ${item}\n`)
    const all = await Promise.all(Array.from({ length: 7 }, (_, index) => here.files(`p${index}`)))
    expect(all.flat()).toHaveLength(60)
    expect(new Set(all.flat().map((file) => file['upload-time']))).toEqual(new Set(['2020-02-02T02:02:02.000Z']))
  })
})
