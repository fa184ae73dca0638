import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { startGuardedWorld } from '../../helpers/guarded-world.ts'
import { tarballOf } from '../../helpers/npm-fixtures.ts'
import { editDocument, npmTransfer, type NpmTransfer } from '../../helpers/npm-transfer.ts'
import { json, publish } from '../../helpers/npm-world.ts'
import { runDepot, type Finished } from '../../helpers/run-depot.ts'
import { attestationsFile, attestationsOf, saveFixture, saveKeys } from '../../helpers/saved-npm.ts'
import { tempDir, type TempDir } from '../../helpers/temp-dir.ts'

async function carry(): Promise<NpmTransfer & { readonly saved: TempDir }> {
  const transfer = await npmTransfer((folder, url) => ['npm', 'push', url, '--dir', folder])
  return { ...transfer, saved: transfer.folder }
}

const edit = (folder: string, change: Parameters<typeof editDocument>[1]): Promise<void> =>
  editDocument(path.join(folder, 'metadata.json'), change)

function distIn(document: Record<string, Record<string, unknown>>): object {
  const manifest = document['versions']?.['1.0.0'] as { dist: object } | undefined
  return manifest?.dist ?? {}
}

describe('depot npm push', () => {
  it('brings packages in with signatures, provenance, dates, tags and readme, and the keys to check them', async () => {
    await using here = await carry()
    const signer = await saveKeys(here.saved.path, '2030-01-01T00:00:00.000Z')
    await saveFixture(here.saved.path, { name: '@acme/button', versions: ['1.0.0', '1.1.0'], signer, attested: true })
    await saveFixture(here.saved.path, {
      name: 'demo',
      versions: ['1.0.0'],
      manifest: { os: ['darwin'], libc: ['musl'] },
    })
    expect(await here.run()).toMatchObject({ status: 0, stdout: expect.stringMatching(/\nsent 4 \(/) as unknown })
    const button = await here.packument('@acme/button')
    const spec = '-/npm/v1/attestations/@acme%2fbutton@1.0.0'
    expect(button).toMatchObject({
      'dist-tags': { latest: '1.1.0' },
      time: { created: '2020-01-01T00:00:00.000Z', '1.0.0': '2020-01-02T00:00:00.000Z' },
      readme: '# @acme/button',
      versions: {
        '1.0.0': {
          dist: { signatures: [{ keyid: signer.entry.keyid }], attestations: { url: `${here.world.url}/npm/${spec}` } },
        },
      },
    })
    expect(await here.packument('demo')).toMatchObject({ versions: { '1.0.0': { os: ['darwin'], libc: ['musl'] } } })
    const answer = await here.world.fetch(`/npm/${spec}`)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await answer.text()).toBe(await readFile(attestationsFile(here.saved.path, '@acme/button', '1.0.0'), 'utf8'))
    const keys = await json(await here.world.fetch('/npm/-/npm/v1/keys'))
    expect(keys).toEqual({ keys: [{ ...signer.entry, expires: '2030-01-01T00:00:00.000Z' }] })
    expect(await here.audited()).toEqual(
      expect.arrayContaining(['@acme/button@1.0.0 attestations', `-/npm/v1/keys/${signer.entry.keyid}`]),
    )
    expect(here.world.bugs).toEqual([])
  })

  it('sends nothing twice: a second push changes nothing', async () => {
    await using here = await carry()
    const signer = await saveKeys(here.saved.path)
    await saveFixture(here.saved.path, { name: 'twice', versions: ['1.0.0', '2.0.0-rc.1'], signer, attested: true })
    await here.run()
    const before = await here.audited()
    expect((await here.run()).stdout).toBe('sent 0 (0 bytes), 2 there already, 0 failed\n')
    expect(await here.audited()).toEqual(before)
  })

  it('goes on where it was stopped: provenance that did not come is sent alone', async () => {
    await using here = await carry()
    await saveFixture(here.saved.path, { name: 'late', versions: ['1.0.0'] })
    await here.run()
    await saveFixture(here.saved.path, { name: 'late', versions: ['1.0.0'], attested: true })
    expect((await here.run()).stdout).toContain('sent the provenance of late@1.0.0\n')
    expect((await here.world.fetch('/npm/-/npm/v1/attestations/late@1.0.0')).status).toBe(200)
  })

  it('moves tags that came from the registry, never back, and keeps those that were set in the depot', async () => {
    await using here = await carry()
    const later = await tempDir('later')
    await using _later = later
    const document = (latest: string, modified: string, _depot = {}) => ({
      'dist-tags': { latest },
      time: { modified },
      _depot,
    })
    for (const name of ['moving', 'moved']) {
      await saveFixture(here.saved.path, {
        name,
        versions: ['1.0.0'],
        document: document('1.0.0', '2020-01-01T00:00:00Z'),
      })
      await saveFixture(later.path, { name, versions: ['1.1.0'], document: document('1.1.0', '2021-01-01T00:00:00Z') })
    }
    const push = (dir: TempDir): Promise<Finished> => runDepot(['npm', 'push', here.world.url, '--dir', dir.path])
    await push(here.saved)
    await publish(here.world, { name: 'moved', version: '2.0.0' })
    const { status, stdout } = await push(later)
    expect({ status, stdout }).toMatchObject({ status: 0 })
    expect(stdout).toContain('left out the tag latest of moved: it stays at 2.0.0, which was published to the depot')
    expect(await here.packument('moving')).toMatchObject({ 'dist-tags': { latest: '1.1.0' } })
    expect((await push(here.saved)).stdout).toContain('told of a later state')
    expect(await here.packument('moving')).toMatchObject({ 'dist-tags': { latest: '1.1.0' } })
    expect(await here.packument('moved')).toMatchObject({ 'dist-tags': { latest: '2.0.0' } })
  })

  it('lets a stand-in for an unsaved latest go no further back than what is there', async () => {
    await using here = await carry()
    await saveFixture(here.saved.path, { name: 'deep', versions: ['2.0.0'] })
    await here.run()
    const document = { _depot: { latest: '2.0.0' } }
    await saveFixture(here.saved.path, { name: 'deep', versions: ['1.0.0'], document })
    expect((await here.run()).status).toBe(0)
    expect(await here.packument('deep')).toMatchObject({ 'dist-tags': { latest: '2.0.0' }, versions: { '1.0.0': {} } })
  })

  it('needs the base of a delta: a version without a tarball is in the depot, or fails', async () => {
    await using here = await carry()
    const folder = await saveFixture(here.saved.path, { name: 'delta', versions: ['1.0.0', '1.1.0'] })
    await rm(path.join(folder, 'delta-1.0.0.tgz'))
    const { status, stderr } = await here.run()
    expect(status).toBe(1)
    expect(stderr).toContain('delta@1.0.0: its tarball is neither in the folder nor in the depot')
    await saveFixture(here.saved.path, { name: 'delta', versions: ['1.0.0', '1.1.0'] })
    expect((await here.run()).status).toBe(0)
    for (const version of ['1.0.0', '1.1.0']) await rm(path.join(folder, `delta-${version}.tgz`))
    await edit(folder, (document) => {
      Object.assign(document, { 'dist-tags': { latest: '1.0.0' } })
      Object.assign(document['versions']?.['1.1.0'] ?? {}, { deprecated: 'broken' })
    })
    expect((await here.run()).stdout).toBe('sent 0 (0 bytes), 2 there already, 0 failed\n')
    expect(await here.packument('delta')).toMatchObject({
      'dist-tags': { latest: '1.0.0' },
      versions: { '1.1.0': { deprecated: 'broken' } },
    })
  })

  it('reads the folders of a-h/depot: raw metadata beside a few tarballs', async () => {
    await using here = await carry()
    const folder = await saveFixture(here.saved.path, { name: '@acme/raw', versions: ['1.0.0', '1.1.0', '2.0.0'] })
    for (const version of ['1.0.0', '2.0.0']) await rm(path.join(folder, `@acme/raw-${version}.tgz`))
    await edit(folder, (document) => void delete document['_depot'])
    expect(await here.run()).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^sent @acme\/raw@1\.1\.0\nsent 1 /) as unknown,
    })
    expect(await here.packument('@acme/raw')).toMatchObject({ 'dist-tags': { latest: '1.1.0' } })
  })

  it('says which version has other bytes in the depot or was deleted there, and sends none of both', async () => {
    await using here = await carry()
    await saveFixture(here.saved.path, { name: 'taken', versions: ['1.0.0'] })
    await publish(here.world, { name: 'taken', version: '1.0.0', description: 'of the depot' })
    await saveFixture(here.saved.path, { name: 'gone', versions: ['1.0.0', '1.1.0'] })
    await publish(here.world, { name: 'gone', version: '1.0.0' })
    await here.world.fetch('/npm/gone/1.0.0', { method: 'DELETE' })
    const { status, stdout, stderr } = await here.run()
    expect({ status, stdout }).toMatchObject({ status: 1, stdout: expect.stringContaining('sent 1 (') as unknown })
    expect(stderr).toContain('depot: taken@1.0.0: the depot has other bytes under this version')
    expect(stderr).toContain('depot: gone@1.0.0: it was deleted from the depot')
    expect(here.world.refusals).toEqual([])
  })

  it('sends nothing in a dry run, and finds what is damaged', async () => {
    await using here = await carry()
    await saveFixture(here.saved.path, { name: 'whole', versions: ['1.0.0'] })
    const folder = await saveFixture(here.saved.path, { name: 'cut', versions: ['1.0.0'] })
    await truncate(path.join(folder, 'cut-1.0.0.tgz'), 100)
    const { status, stdout, stderr } = await here.run('--dry-run')
    expect({ status, stdout }).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('would send whole@1.0.0') as unknown,
    })
    expect(stderr).toContain('cut@1.0.0: its tarball is damaged: dist.')
    expect(await here.audited()).toEqual([])
  })

  it('says where to find a folder, when there is none or nothing in it', async () => {
    await using here = await carry()
    expect(await here.run()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('holds no package') as unknown,
    })
    const { status, stderr } = await runDepot(['npm', 'push', here.world.url])
    expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining('--dir DIR') as unknown })
  })
})

describe('a push with a token', () => {
  it('leaves the keys out when it may not administer, says so, and sends the packages', async () => {
    await using saved = await tempDir('saved')
    const signer = await saveKeys(saved.path)
    await saveFixture(saved.path, { name: 'signed', versions: ['1.0.0'], signer })
    await using world = await startGuardedWorld({ reads: 'closed' })
    const push = async (...grants: readonly string[]): Promise<Finished> => {
      const env = { DEPOT_AUTH_TOKEN: await world.token(...grants) }
      return runDepot(['npm', 'push', `${world.url}/npm`, '--dir', saved.path], env)
    }
    const { status, stdout } = await push('npm:write:*')
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('sent signed@1.0.0') as unknown,
    })
    expect(stdout).toContain("left out the registry's public keys: you are no administrator there")
    expect((await push('npm:*:*')).stdout).toContain("sent the registry's public keys")
    const { keys } = (await (await fetch(`${world.url}/npm/-/npm/v1/keys`)).json()) as { keys: { keyid: string }[] }
    expect(keys.map(({ keyid }) => keyid)).toContain(signer.entry.keyid)
    expect((await push('npm:write:*')).stdout).toBe('sent 0 (0 bytes), 1 there already, 0 failed\n')
  })

  it('ends at once when it is not let in, or may not write', async () => {
    await using saved = await tempDir('saved')
    for (let count = 0; count < 20; count++) await saveFixture(saved.path, { name: `p${count}`, versions: ['1.0.0'] })
    await using world = await startGuardedWorld({ reads: 'closed' })
    const push = (token: string): Promise<Finished> =>
      runDepot(['npm', 'push', world.url, '--dir', saved.path, '--token', token])
    const reader = await world.token('npm:read:*')
    for (const [token, reason] of [
      ['dpt_wrong', /does not, or no longer, take/],
      [reader, /'depot whoami' shows your rights/],
    ] as const) {
      const before = world.refusals.length
      const { status, stdout, stderr } = await push(token)
      expect({ status, stdout }).toEqual({ status: 1, stdout: 'sent 0 (0 bytes), 0 there already, 0 failed\n' })
      expect(stderr).toMatch(reason)
      expect(world.refusals.length - before).toBeLessThanOrEqual(LIMITS.transferAtOnce)
    }
  })
})

describe('a folder that lies', () => {
  it('is named where it does: names, versions, digests, provenance of something else; the rest comes in', async () => {
    await using here = await carry()
    const root = here.saved.path
    await saveFixture(root, { name: 'honest', versions: ['1.0.0'] })
    await edit(await saveFixture(root, { name: 'renamed', versions: ['1.0.0'] }), (document) => {
      Object.assign(document, { name: 'honest' })
    })
    const polluted = await saveFixture(root, { name: 'polluted', versions: ['1.0.0'] })
    const text = await readFile(path.join(polluted, 'metadata.json'), 'utf8')
    await writeFile(
      path.join(polluted, 'metadata.json'),
      text.replace('"versions":{', '"versions":{"__proto__":{"x":1},'),
    )
    await edit(await saveFixture(root, { name: 'other', versions: ['1.0.0'] }), (document) => {
      Object.assign(document['versions']?.['1.0.0'] as object, { name: 'honest' })
    })
    await edit(await saveFixture(root, { name: 'promised', versions: ['1.0.0'] }), (document) => {
      Object.assign(distIn(document), { integrity: 'sha3-nobody', shasum: '' })
    })
    await edit(await saveFixture(root, { name: 'unpromised', versions: ['1.0.0'] }), (document) => {
      Object.assign(distIn(document), { integrity: undefined, shasum: undefined })
    })
    await saveFixture(root, { name: 'claims', versions: ['1.0.0'], attested: true })
    const stranger = { name: 'honest', version: '1.0.0' }
    await writeFile(attestationsFile(root, 'claims', '1.0.0'), attestationsOf(stranger, await tarballOf(stranger)))
    const folder = await saveFixture(root, { name: 'unfinished', versions: ['1.0.0'] })
    await rm(path.join(folder, 'metadata.json'))
    const { status, stdout, stderr } = await here.run()
    expect(status).toBe(1)
    expect(stdout).toContain('sent honest@1.0.0')
    expect(stdout).toContain('sent polluted@1.0.0')
    for (const reason of [
      'renamed: its metadata.json is of another package',
      'polluted@__proto__: that is not a version',
      'other@1.0.0: its manifest is of something else',
      'promised@1.0.0: dist.integrity is not a sha512 digest',
      'unpromised@1.0.0: its metadata promises no digest',
      'claims@1.0.0: the provenance is not about pkg:npm/claims@1.0.0',
      'unfinished: there is no unfinished/metadata.json',
    ])
      expect(stderr).toContain(`depot: ${reason}`)
    expect((await here.world.fetch('/npm/claims')).status).toBe(404)
    expect(here.world.bugs).toEqual([])
  })
})
