import { createHash, createPublicKey, verify } from 'node:crypto'
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { beforeAll, describe, expect, it } from 'vitest'

import { requireSubject } from '../../../protocols/npm/attestation.ts'
import {
  generateSigningKey,
  parseKeysDocument,
  parseSigningKey,
  type PublicKeyEntry,
  type Signature,
} from '../../../protocols/npm/signing.ts'
import { PREDICATE_TYPE, provenanceOf, publishOf, tarballOf, withProvenance } from '../../helpers/npm-fixtures.ts'
import { json, publish, put, startNpmWorld } from '../../helpers/npm-world.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { startServerProcess } from '../../helpers/server-process.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { startWorld, type World } from '../../helpers/world.ts'

interface Dist {
  readonly integrity: string
  readonly signatures?: readonly Signature[]
}

async function keysOf(url: string): Promise<readonly PublicKeyEntry[]> {
  return parseKeysDocument(await (await fetch(`${url}/npm/-/npm/v1/keys`)).text())
}

async function distOf(url: string, name: string, version: string): Promise<Dist> {
  const packument = await json(await fetch(`${url}/npm/${name}`))
  return (packument['versions'] as Record<string, { dist: Dist }>)[version]?.dist ?? { integrity: '' }
}

/** Check a signature as npm does. */
function isGood(keys: readonly PublicKeyEntry[], spec: string, { integrity, signatures = [] }: Dist): boolean {
  return (
    signatures.length > 0 &&
    signatures.every(({ keyid, sig }) => {
      const entry = keys.find((key) => key.keyid === keyid)
      if (entry === undefined) return false
      const key = createPublicKey({ key: Buffer.from(entry.key, 'base64'), format: 'der', type: 'spki' })
      return verify('sha256', Buffer.from(`${spec}:${integrity}`), key, Buffer.from(sig, 'base64'))
    })
  )
}

/** A version is signed a moment after the start: until then it has no signature by the newest key. */
async function eventually(check: () => Promise<boolean>): Promise<void> {
  await expect.poll(check, { timeout: 20_000, interval: 100 }).toBe(true)
}

describe('a version that is accepted', () => {
  it('is signed in both forms and alone, by a key that the registry tells of, in a file of its owner', async () => {
    await using world = await startWorld()
    await publish(world, { name: '@acme/button', version: '1.0.0' })
    const keys = await keysOf(world.url)
    expect(keys).toEqual([
      {
        expires: null,
        keyid: `SHA256:${createHash('sha256')
          .update(Buffer.from(keys[0]?.key ?? '', 'base64'))
          .digest('base64')
          .replace('=', '')}`,
        keytype: 'ecdsa-sha2-nistp256',
        scheme: 'ecdsa-sha2-nistp256',
        key: expect.any(String) as unknown,
      },
    ])
    expect((await stat(path.join(world.dir, 'npm-signing.key'))).mode & 0o777).toBe(0o600)
    const accept = { headers: { accept: 'application/vnd.npm.install-v1+json' } }
    const corgi = await json(await world.fetch('/npm/@acme%2fbutton', accept))
    const alone = await json(await world.fetch('/npm/@acme%2fbutton/1.0.0'))
    const dists = [
      await distOf(world.url, '@acme/button', '1.0.0'),
      (corgi['versions'] as Record<string, { dist: Dist }>)['1.0.0']?.dist,
      alone['dist'] as Dist,
    ]
    for (const dist of dists) expect(dist && isGood(keys, '@acme/button@1.0.0', dist)).toBe(true)
  })

  it('is signed when it is brought in from elsewhere, and keeps the signatures that came along as they were', async () => {
    await using world = await startWorld()
    const own = { name: 'brought', version: '1.0.0' }
    const tarball = await tarballOf(own)
    const theirs = { keyid: 'SHA256:of-another-registry', sig: 'AAAA', unknown: { field: 1 } }
    const manifest = publishOf(own, tarball, { dist: { signatures: [theirs] } })['versions'] as Record<string, object>
    const send = (at: string, body: NonNullable<RequestInit['body']>) =>
      world.fetch(`/npm/brought/${at}`, { method: 'PUT', body })
    expect((await send('-/brought-1.0.0.tgz', Uint8Array.from(tarball))).status).toBe(200)
    expect((await send('1.0.0', JSON.stringify(manifest['1.0.0']))).status).toBe(201)
    const dist = await distOf(world.url, 'brought', '1.0.0')
    expect(dist.signatures?.[0]).toEqual(theirs)
    const rest = { ...dist, signatures: dist.signatures?.slice(1) ?? [] }
    expect(isGood(await keysOf(world.url), 'brought@1.0.0', rest)).toBe(true)
  })
})

describe('keys of other registries', () => {
  it('are told beside our own', async () => {
    await using home = await tempDir('npm-keys')
    const { entry } = parseSigningKey(generateSigningKey())
    await writeFile(
      home.join('npmjs.json'),
      JSON.stringify({ keys: [{ ...entry, expires: '2025-01-29T00:00:00.000Z' }] }),
    )
    await using world = await startWorld({ settings: { 'npm-keys': [home.join('npmjs.json')] } })
    expect((await keysOf(world.url)).map(({ expires }) => expires)).toEqual([null, '2025-01-29T00:00:00.000Z'])
  })

  it.each(['{', '{}', '{"keys":[{}]}', '{"keys":[{"keyid":"a","keytype":"b","scheme":"c","key":"AAAA"}]}'])(
    'are refused before the start when the file has %s',
    async (text) => {
      await using home = await tempDir('npm-keys')
      await writeFile(home.join('keys.json'), text)
      const args = ['serve', '--store-path', home.join('data'), '--npm-keys', home.join('keys.json'), '--check-config']
      expect(await runDepot(args)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('not what a registry') as unknown,
      })
    },
  )
})

describe('what was stored before', () => {
  it('is signed by the next start that has a key, and again by a newer key, whose file alone then does', async () => {
    await using home = await tempDir('npm-rotate')
    const dataDir = home.join('data')
    await mkdir(dataDir)
    {
      await using world = await startNpmWorld({ databaseUrl: `sqlite://${dataDir}/depot.db` })
      for (let patch = 0; patch < 120; patch++) await publish(world, { name: 'old', version: `1.0.${patch}` })
      await publish(world, { name: '@acme/old', version: '1.0.0' })
      expect((await distOf(world.url, 'old', '1.0.0')).signatures).toBeUndefined()
      expect((await world.fetch('/npm/-/npm/v1/keys')).status).toBe(404)
    }
    const [first] = await started(1)
    const rotated = await runDepot(['key', 'rotate', '--npm', '--store-path', dataDir])
    expect(rotated.stderr).toContain('npm-signing-2.key')
    expect((await runDepot(['key', 'list', '--npm', '--store-path', dataDir])).stdout).toBe(
      `${first}  ${path.join(dataDir, 'npm-signing.key')}\n${rotated.stdout.trim()}  ${path.join(dataDir, 'npm-signing-2.key')}\n`,
    )
    expect(await started(2)).toEqual([first, rotated.stdout.trim()])
    await rename(path.join(dataDir, 'npm-signing.key'), home.join('away'))
    expect(await started(1)).toEqual([rotated.stdout.trim()])
    expect((await runDepot(['audit', 'verify', '--store-path', dataDir])).status).toBe(0)
    expect(await readdir(dataDir)).not.toContain('npm-signing.key')

    /** Start the server and wait until everything has a good signature by the newest key; the ids of its keys. */
    async function started(count: number): Promise<readonly string[]> {
      await using server = await startServerProcess({ dataDir })
      const keys = await keysOf(server.url)
      expect(keys).toHaveLength(count)
      const newest = keys.slice(-1)
      for (const [name, version] of [
        ['old', '1.0.0'],
        ['old', '1.0.119'],
        ['@acme/old', '1.0.0'],
      ] as const)
        await eventually(async () => isGood(newest, `${name}@${version}`, await distOf(server.url, name, version)))
      return keys.map(({ keyid }) => keyid)
    }
  })
})

describe('a version with provenance', () => {
  const OWN = { name: '@acme/proven', version: '1.0.0' }

  let tarball: Buffer
  beforeAll(async () => void (tarball = await tarballOf(OWN)))

  async function proven(): Promise<World> {
    const world = await startNpmWorld()
    expect((await put(world, OWN.name, withProvenance(OWN, tarball))).status).toBe(201)
    return world
  }

  it.each(['/npm', ''])('says where it is, below the mount at "%s", and it is there', async (mount) => {
    await using world = await proven()
    const { attestations } = (await json(await world.fetch(`${mount}/@acme%2fproven/1.0.0`)))['dist'] as {
      attestations: { url: string }
    }
    expect(attestations).toEqual({
      url: `${world.url}${mount}/-/npm/v1/attestations/@acme%2fproven@1.0.0`,
      provenance: { predicateType: PREDICATE_TYPE },
    })
    const answer = await fetch(attestations.url)
    expect([answer.status, await json(answer)]).toEqual([
      200,
      { attestations: [{ predicateType: PREDICATE_TYPE, bundle: JSON.parse(provenanceOf(OWN, tarball)) as unknown }] },
    ])
    const spelt = await world.fetch(`${mount}/-/npm/v1/attestations/@acme/proven@1.0.0`)
    expect(spelt.status).toBe(200)
  })

  it('is the only one that has attestations', async () => {
    await using world = await proven()
    await publish(world, { name: 'plain', version: '1.0.0' })
    for (const spec of ['plain@1.0.0', '@acme%2fproven@1.0.1', 'nowhere@1.0.0', '@acme%2fproven', '@', '@@', 'a@b@c']) {
      const answer = await world.fetch(`/npm/-/npm/v1/attestations/${spec}`)
      expect([spec, answer.status, Object.keys(await json(answer))]).toEqual([spec, 404, ['error']])
    }
  })

  it.each(['', 'no json', '{}', '{"dsseEnvelope":{"payload":"*"}}', '{"dsseEnvelope":{"payload":"AAAA"}}'])(
    'is not taken with %j in its place',
    async (bundle) => {
      await using world = await startNpmWorld()
      const document = withProvenance(OWN, tarball)
      const attachment = document._attachments[`${OWN.name}-1.0.0.sigstore`]
      if (attachment !== undefined) attachment.data = bundle
      expect((await put(world, OWN.name, document)).status).toBe(400)
      expect((await world.fetch('/npm/@acme%2fproven')).status).toBe(404)
    },
  )
})

describe('provenance of something else', () => {
  it.each([
    ['another version', { name: 'pkg:npm/%40acme/proven@2.0.0' }],
    ['another package', { name: 'pkg:npm/%40acme/other@1.0.0' }],
    ['another name of it', { name: '@acme/proven@1.0.0' }],
    ['other bytes', { digest: { sha512: '0'.repeat(128) } }],
    ['no bytes', { digest: { sha256: '0'.repeat(64) } }],
  ])('is refused with what it came with: %s', async (_what, subject) => {
    await using world = await startNpmWorld()
    const own = { name: '@acme/proven', version: '1.0.0' }
    const answer = await put(world, own.name, withProvenance(own, await tarballOf(own), subject))
    expect([answer.status, await json(answer)]).toEqual([
      400,
      { error: expect.stringMatching(/provenance/) as unknown },
    ])
    expect((await world.fetch('/npm/@acme%2fproven')).status).toBe(404)
  })
})

it('provenance of two things is not about one of them', () => {
  const sha512 = '0'.repeat(128)
  const one = { name: 'pkg:npm/proven@1.0.0', digest: { sha512 } }
  const about = (...subject: (typeof one)[]) => {
    const provenance = { predicateType: PREDICATE_TYPE, subject, bundle: {} }
    return () => requireSubject(provenance, { name: 'proven', version: '1.0.0', sha512 })
  }
  expect(about(one)).not.toThrow()
  for (const subjects of [[], [one, one], [one, { ...one, name: 'pkg:npm/other@1.0.0' }]])
    expect(about(...subjects)).toThrow(/is not about/)
})

describe('a secret key', () => {
  it.each(['', 'secret words', '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n'])(
    'is not read from %j, and the text is not repeated',
    (text) => {
      expect(() => parseSigningKey(text)).toThrow(/^not a secret key in PEM$/)
    },
  )
})
