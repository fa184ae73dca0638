import { spawn } from 'node:child_process'
import { mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { cliUser, depotFor } from '../../helpers/cli-user.ts'
import { describeWith } from '../../helpers/have.ts'
import { killedImport } from '../../helpers/killed-import.ts'
import { tarballOf } from '../../helpers/npm-fixtures.ts'
import { editDocument, npmTransfer, type NpmTransfer } from '../../helpers/npm-transfer.ts'
import { publish, startNpmWorld } from '../../helpers/npm-world.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { tempDir, type TempDir } from '../../helpers/temp-dir.ts'
import { storePackage } from '../../helpers/verdaccio.ts'

async function move(): Promise<NpmTransfer & { readonly storage: TempDir }> {
  const transfer = await npmTransfer((folder, url) => ['npm', 'import', '--verdaccio', folder, url])
  return { ...transfer, storage: transfer.folder }
}

const edit = (folder: string, change: Parameters<typeof editDocument>[1]): Promise<void> =>
  editDocument(path.join(folder, 'package.json'), change)

describe('depot npm import', () => {
  it('brings packages in with their dates, tags, deprecations, signatures and readme', async () => {
    await using here = await move()
    const signed = [{ keyid: 'SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA', sig: 'MEUCIQDX==' }]
    const attested = { url: 'https://registry.example/-/npm/v1/attestations/x', provenance: { predicateType: 'y' } }
    const folder = await storePackage(here.storage.path, { name: '@acme/button', versions: ['1.0.0', '1.1.0'] })
    await edit(folder, (document) => {
      const first = document['versions']?.['1.0.0'] as Record<string, unknown>
      Object.assign(first, { deprecated: 'too old', maintainers: [{ name: 'alice' }] })
      Object.assign(first['dist'] as object, { signatures: signed, attestations: attested })
      document['users'] = { alice: true }
      Object.assign(document['dist-tags'] as object, { lts: '1.0.0', 'not a tag!': '1.0.0' })
    })
    expect(await here.run()).toMatchObject({ status: 0, stdout: expect.stringContaining('sent 2 (') as unknown })
    expect(await here.packument('@acme/button')).toMatchObject({
      'dist-tags': { latest: '1.1.0', lts: '1.0.0' },
      versions: {
        '1.0.0': {
          deprecated: 'too old',
          maintainers: [{ name: 'alice' }],
          dist: { signatures: signed, attestations: { provenance: attested.provenance } },
        },
      },
      time: {
        created: '2020-01-01T00:00:00.000Z',
        '1.0.0': '2020-01-01T00:00:00.000Z',
        '1.1.0': '2020-01-02T00:00:00.000Z',
      },
      readme: '# @acme/button',
    })
    expect(here.world.bugs).toEqual([])
  })

  it('sends nothing twice, and says what is there', async () => {
    await using here = await move()
    await storePackage(here.storage.path, { name: 'twice', versions: ['1.0.0', '2.0.0-rc.1'] })
    await here.run()
    const before = await here.audited()
    expect((await here.run()).stdout).toBe('sent 0 (0 bytes), 2 there already, 0 failed\n')
    expect(await here.audited()).toEqual(before)
  })

  it('takes over at a second run what came meanwhile, and keeps what was published to the depot', async () => {
    await using here = await move()
    await storePackage(here.storage.path, { name: 'moving', versions: ['1.0.0'] })
    await storePackage(here.storage.path, { name: 'moved', versions: ['1.0.0'] })
    await here.run()
    await storePackage(here.storage.path, { name: 'moving', versions: ['1.0.0', '1.1.0'] })
    await publish(here.world, { name: 'moved', version: '2.0.0' })
    const { status, stdout } = await here.run()
    expect(status).toBe(0)
    expect(stdout).toContain('left out the tag latest of moved: it stays at 2.0.0, which was published to the depot')
    expect(await here.packument('moving')).toMatchObject({ 'dist-tags': { latest: '1.1.0' } })
    expect(await here.packument('moved')).toMatchObject({ 'dist-tags': { latest: '2.0.0' } })
  })

  it('says which version has other bytes in the depot, and leaves them alone', async () => {
    await using here = await move()
    await storePackage(here.storage.path, { name: 'taken', versions: ['1.0.0'] })
    await publish(here.world, { name: 'taken', version: '1.0.0', description: 'of the depot' })
    const before = await here.packument('taken')
    const { status, stdout, stderr } = await here.run()
    expect(status).toBe(1)
    expect(stdout).toBe('sent 0 (0 bytes), 0 there already, 1 failed\n')
    expect(stderr).toContain('depot: taken@1.0.0: the depot has other bytes under this version: ')
    expect(await here.packument('taken')).toEqual(before)
  })

  it('takes over a deprecation that came meanwhile, and undoes none of the depot', async () => {
    await using here = await move()
    const folder = await storePackage(here.storage.path, { name: 'ageing', versions: ['1.0.0', '1.1.0'] })
    await here.run()
    const history = { method: 'PUT', body: JSON.stringify({ deprecated: { '1.1.0': 'said here' } }) }
    expect((await here.world.fetch('/npm/-/packages/ageing/history', history)).status).toBe(200)
    await edit(folder, (document) => {
      for (const manifest of Object.values(document['versions'] ?? {}))
        Object.assign(manifest as object, { deprecated: 'said there' })
    })
    await here.run()
    expect(await here.packument('ageing')).toMatchObject({
      versions: { '1.0.0': { deprecated: 'said there' }, '1.1.0': { deprecated: 'said here' } },
    })
  })

  it('does not bring back what was deleted from the depot', async () => {
    await using here = await move()
    await storePackage(here.storage.path, { name: 'gone', versions: ['1.0.0', '1.1.0'] })
    await here.run()
    expect((await here.world.fetch('/npm/gone/1.0.0', { method: 'DELETE' })).status).toBe(204)
    const { status, stderr } = await here.run()
    expect(status).toBe(1)
    expect(stderr).toMatch(/^depot: gone@1\.0\.0: .*it was deleted on/m)
    expect(Object.keys((await here.packument('gone'))['versions'] as object)).toEqual(['1.1.0'])
  })

  it('sends nothing in a dry run, and finds what is damaged', async () => {
    await using here = await move()
    await storePackage(here.storage.path, { name: 'whole', versions: ['1.0.0'] })
    const folder = await storePackage(here.storage.path, { name: 'cut', versions: ['1.0.0'] })
    await truncate(path.join(folder, 'cut-1.0.0.tgz'), 100)
    const { status, stdout, stderr } = await here.run('--dry-run')
    expect(status).toBe(1)
    expect(stdout).toContain('would send whole@1.0.0')
    expect(stderr).toContain('cut@1.0.0: its tarball is damaged: dist.')
    expect(await here.audited()).toEqual([])
  })

  it('speaks JSON', async () => {
    await using here = await move()
    await storePackage(here.storage.path, { name: 'spoken', versions: ['1.0.0'] })
    const lines = (await here.run('--json')).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(lines).toMatchObject([
      { item: 'spoken@1.0.0', result: 'sent' },
      { sent: 1, there: 0, failed: 0 },
    ])
  })

  it('leaves uplinks out with --only-hosted; a version that was never fetched is not missing', async () => {
    await using here = await move()
    const folder = await storePackage(here.storage.path, { name: 'cached', versions: ['1.0.0', '1.1.0'] })
    await rm(path.join(folder, 'cached-1.1.0.tgz'))
    await edit(folder, (document) => {
      delete document['_attachments']?.['cached-1.1.0.tgz']
      const upstream = { url: 'http://up.example/x.tgz', sha: '0', registry: 'up' }
      document['_distfiles'] = { 'cached-1.0.0.tgz': upstream, 'cached-1.1.0.tgz': upstream }
    })
    expect((await here.run('--only-hosted')).stdout).toBe('sent 0 (0 bytes), 0 there already, 0 failed\n')
    expect(await here.run()).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('sent cached@1.0.0') as unknown,
    })
    expect(await here.packument('cached')).toMatchObject({ 'dist-tags': { latest: '1.0.0' } })
  })

  it('names what is missing', async () => {
    await using here = await move()
    const folder = await storePackage(here.storage.path, { name: 'half', versions: ['1.0.0', '1.1.0'] })
    await rm(path.join(folder, 'half-1.0.0.tgz'))
    await writeFile(here.storage.join('.verdaccio-db.json'), '{"list":["half","gone"],"secret":"x"}')
    const { status, stderr } = await here.run()
    expect(status).toBe(1)
    expect(stderr).toContain('depot: half@1.0.0: its tarball is missing')
    expect(stderr).toContain('depot: gone: .verdaccio-db.json lists it, but there is no folder of it')
    expect(stderr).not.toContain('half: .verdaccio-db.json')
    expect(await here.packument('half')).toMatchObject({ versions: { '1.1.0': {} } })
  })

  it.each(['', 'nowhere', 'package.json'])(
    'says what a storage is when it is given something else: %j',
    async (name) => {
      await using here = await move()
      await writeFile(here.storage.join('package.json'), '{}')
      const { status, stderr } = await runDepot([
        'npm',
        'import',
        '--verdaccio',
        here.storage.join(name),
        here.world.url,
      ])
      expect({ status, stderr }).toMatchObject({
        status: 2,
        stderr: expect.stringContaining("at 'storage:'") as unknown,
      })
    },
  )
})

describe('a hostile storage', () => {
  it('leads nowhere: links, ways out of the folder, other packages and names that are none publish nothing', async () => {
    await using here = await move()
    const { storage } = here
    await using elsewhere = await tempDir('elsewhere')
    const secret = await storePackage(elsewhere.path, { name: 'secret', versions: ['1.0.0'] })
    await symlink(secret, storage.join('secret'))
    const linked = await storePackage(storage.path, { name: 'linked', versions: ['1.0.0'] })
    await rm(path.join(linked, 'linked-1.0.0.tgz'))
    await symlink(path.join(secret, 'secret-1.0.0.tgz'), path.join(linked, 'linked-1.0.0.tgz'))
    const outside = await storePackage(storage.path, { name: 'outside', versions: ['1.0.0'] })
    await rename(path.join(outside, 'outside-1.0.0.tgz'), storage.join('outside-1.0.0.tgz'))
    await edit(outside, (document) => {
      Object.assign(document['versions'] as object, {
        '1.0.0': { name: 'outside', version: '1.0.0', dist: { tarball: 'http://x/../outside-1.0.0.tgz' } },
      })
    })
    const other = await storePackage(storage.path, { name: 'other', versions: ['1.0.0'] })
    const stranger = await tarballOf({ name: 'stranger', version: '1.0.0' })
    await writeFile(path.join(other, 'other-1.0.0.tgz'), stranger)
    await edit(other, (document) => {
      Object.assign(document['versions']?.['1.0.0'] as object, { dist: {} })
      document['_attachments'] = {}
    })
    const renamed = await storePackage(storage.path, { name: 'renamed', versions: ['1.0.0'] })
    await edit(renamed, (document) => Object.assign(document, { name: '../renamed' }))
    const inner = await storePackage(storage.path, { name: 'inner', versions: ['1.0.0'] })
    await edit(inner, (document) => Object.assign(document['versions']?.['1.0.0'] as object, { name: 'express' }))
    await mkdir(storage.join('Bad Name'))
    await writeFile(storage.join('Bad Name', 'package.json'), '{}')
    const { status, stderr, stdout } = await here.run()
    expect(status).toBe(1)
    for (const line of [
      'secret: it is a symbolic link',
      'linked@1.0.0: it is a symbolic link',
      'outside@1.0.0: its tarball is missing',
      'other@1.0.0: the package.json in the tarball says stranger@1.0.0, but it was sent as other@1.0.0',
      'renamed: its package.json is of another package',
      'inner@1.0.0: its manifest is of something else',
      'Bad Name: that is not the name of a package',
    ])
      expect(stderr).toContain(`depot: ${line}\n`)
    expect(stdout).toBe('sent 0 (0 bytes), 0 there already, 7 failed\n')
    for (const name of ['secret', 'linked', 'outside', 'other', 'renamed', 'inner', 'stranger', 'express'])
      expect((await here.world.fetch(`/npm/${name}`)).status).toBe(404)
    expect(here.world.bugs).toEqual([])
  })

  it('is named where it is not what it should be, and the rest comes in', async () => {
    await using here = await move()
    const { storage } = here
    await storePackage(storage.path, { name: 'fine', versions: ['1.0.0'] })
    const document = (name: string): string => storage.join(name, 'package.json')
    for (const name of ['broken', 'list', 'huge', 'deep', 'fifo'])
      await storePackage(storage.path, { name, versions: ['1.0.0'] })
    await writeFile(document('broken'), '{"name":')
    await writeFile(document('list'), '[]')
    await writeFile(document('huge'), '{')
    await truncate(document('huge'), LIMITS.verdaccioDocumentBytesMax + 1)
    await edit(storage.join('deep'), (stored) => {
      Object.assign(stored['versions']?.['1.0.0'] as object, { x: JSON.parse('['.repeat(500) + ']'.repeat(500)) })
    })
    await rm(document('fifo'))
    await new Promise((resolve) => spawn('sh', ['-c', 'mkfifo "$0"', document('fifo')]).once('exit', resolve))
    const polluted = await storePackage(storage.path, { name: 'polluted', versions: ['1.0.0'] })
    const text = await readFile(path.join(polluted, 'package.json'), 'utf8')
    const evil = '"__proto__": { "polluted": true, "versions": {} },'
    await writeFile(
      path.join(polluted, 'package.json'),
      text
        .replace('"versions": {', `${evil} "versions": { ${evil} "constructor": {}, "9.9.9": null,`)
        .replace('"1.0.0": {', `"1.0.0": { ${evil}`),
    )
    const { status, stderr, stdout } = await here.run()
    expect(status).toBe(1)
    for (const line of [
      'broken: its package.json is not JSON',
      'list: its package.json is no packument',
      `huge: it is larger than ${LIMITS.verdaccioDocumentBytesMax} bytes`,
      'deep@1.0.0: the JSON nests deeper than 128',
      'fifo: it is not a file',
      'polluted@__proto__: that is not a version',
      'polluted@constructor: that is not a version',
      'polluted@9.9.9: it has no manifest',
      'polluted@1.0.0: the JSON has a __proto__ key',
    ])
      expect(stderr).toContain(`depot: ${line}\n`)
    expect(stdout).toBe(
      'sent fine@1.0.0\nsent 1 (227 bytes), 0 there already, 9 failed\n'.replace(
        '227 bytes',
        /\((.*)\)/.exec(stdout)?.[1] ?? '',
      ),
    )
    expect(here.world.bugs).toEqual([])
  })

  it('reads a package.json of 100 MB without more ado', async () => {
    await using here = await move()
    const folder = await storePackage(here.storage.path, { name: 'large', versions: ['1.0.0'] })
    const filler = 'x'.repeat(100_000_000)
    await edit(folder, (document) => Object.assign(document, { filler }))
    expect(await here.run()).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('sent large@1.0.0') as unknown,
    })
  })

  it('does not put its words on a terminal as they are', async () => {
    await using here = await move()
    const folder = await storePackage(here.storage.path, { name: 'coloured', versions: ['1.0.0'] })
    await edit(folder, (document) => Object.assign(document['versions'] as object, { '\u001b[31m1.0.0\n': {} }))
    const { stdout, stderr } = await here.run()
    expect(stdout + stderr).not.toContain('\u001b')
  })
})

describe('an import that is stopped', () => {
  it('goes on where it was killed, and sends no tarball again that it had told of', async () => {
    await using here = await move()
    const versions = Array.from({ length: 60 }, (_, patch) => `1.0.${patch}`)
    for (const name of ['one', 'two', 'three']) await storePackage(here.storage.path, { name, versions })
    const told = await killedImport(['npm', 'import', '--verdaccio', here.storage.path, here.world.url], 40)
    expect(told.length).toBeGreaterThanOrEqual(40)
    expect(told.length).toBeLessThan(180)
    const before = await here.audited()
    const { status, stdout } = await here.run()
    expect(status).toBe(0)
    for (const item of told) expect(stdout).not.toContain(`sent ${item}\n`)
    const after = (await here.audited()).slice(before.length)
    expect(after.filter((resource) => told.includes(resource))).toEqual([])
    for (const name of ['one', 'two', 'three']) {
      const { time } = await here.packument(name)
      expect(Object.keys(time as object)).toHaveLength(62)
      expect(time).toMatchObject({ '1.0.0': '2020-01-01T00:00:00.000Z', '1.0.59': '2020-02-29T00:00:00.000Z' })
    }
  })

  it('says what to do when its token is not good, and tries nothing more', async () => {
    await using storage = await tempDir('storage')
    for (let count = 0; count < 20; count++)
      await storePackage(storage.path, { name: `p${count}`, versions: ['1.0.0'] })
    const key = 'w ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC1R1LpGUd1twlSAnyJqJS7kZ3WabJnB93XAVxERjcJe somebody\n'
    await using world = await startNpmWorld({ authFile: key })
    const env = { DEPOT_AUTH_TOKEN: 'dpt_wrong' }
    const { status, stderr } = await runDepot(['npm', 'import', '--verdaccio', storage.path, world.url], env)
    expect(status).toBe(1)
    expect(stderr).toContain("take the token of DEPOT_AUTH_TOKEN; 'depot login' tries your SSH keys")
    expect(stderr).toContain('start again when this is mended')
    expect(world.refusals.filter((code) => code === 'UNAUTHENTICATED').length).toBeLessThanOrEqual(
      LIMITS.transferAtOnce,
    )
  })
})

describeWith('openssh', 'an import by a key that may only read', () => {
  it('ends at once, and says so', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'r', key }])
    await using storage = await tempDir('storage')
    for (const name of ['one', 'two']) await storePackage(storage.path, { name, versions: ['1.0.0'] })
    const { status, stdout, stderr } = await user.run(['npm', 'import', '--verdaccio', storage.path, depot.url])
    expect(status).toBe(1)
    expect(stdout).toBe('sent 0 (0 bytes), 0 there already, 0 failed\n')
    expect(stderr).toContain(`${key.fingerprint}), and 'depot whoami' shows your rights`)
  })
})
