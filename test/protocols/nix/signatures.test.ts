import { describe, expect, it } from 'vitest'

import { nixProtocol, type NixOptions } from '../../../protocols/nix/index.ts'
import { parseNarinfo, type Narinfo } from '../../../protocols/nix/narinfo.ts'
import { fingerprint, generateSecretKey, parsePublicKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { createApp } from '../../../src/app.ts'
import { sha256Hex, sha256Nix32 } from '../../helpers/nar.ts'
import {
  nixUpload,
  push,
  put,
  SECRET,
  startNixWorld,
  startRuledWorld,
  type NixUpload,
} from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

const OWN = parseSecretKey(SECRET)
const FRIEND = parseSecretKey(generateSecretKey('friend-1'))
const OTHER_FRIEND = parseSecretKey(generateSecretKey('other-friend-1'))
const STRANGER = parseSecretKey(generateSecretKey('stranger-1'))
const TRUSTED = [FRIEND, OTHER_FRIEND].map(({ publicKey }) => parsePublicKey(publicKey))

/** What signatures of an upload without references are over. */
function signedText({ storeHash, narHash, nar }: NixUpload, references: readonly string[] = []): string {
  return fingerprint({ baseName: `${storeHash}-demo`, narHash, narSizeBytes: nar.byteLength, references })
}

/** Send the archive and a narinfo with these signatures. */
async function send(world: World, upload: NixUpload, ...signatures: readonly string[]) {
  await put(world, `/nix/nar/${upload.fileName}`, upload.body)
  return sendNarinfo(world, upload, ...signatures)
}

function sendNarinfo(world: World, upload: NixUpload, ...signatures: readonly string[]) {
  const text = upload.narinfo() + signatures.map((signature) => `Sig: ${signature}\n`).join('')
  return put(world, `/nix/${upload.storeHash}.narinfo`, text)
}

async function served(world: Pick<World, 'fetch'>, { storeHash }: NixUpload): Promise<Narinfo> {
  return parseNarinfo(await (await world.fetch(`/nix/${storeHash}.narinfo`)).text())
}

/** Another server over the same data, with keys and rules of its own. */
function serverBeside(world: World, options: NixOptions): Pick<World, 'fetch'> {
  const app = createApp({
    depot: world.depot,
    protocols: [nixProtocol(options)],
    site: { loopback: true, allowedHosts: [] },
  })
  return { fetch: async (path, init) => app.fetch(new Request(`http://127.0.0.1${path}`, init)) }
}

describe('signatures of trusted keys', () => {
  it('that come with a narinfo are kept beside ours, once each, and others are dropped', async () => {
    await using world = await startRuledWorld({ trustedKeys: TRUSTED })
    const upload = await nixUpload('trusted')
    const text = signedText(upload)
    const [friend, stranger, own] = [FRIEND.sign(text), STRANGER.sign(text), OWN.sign(text)]
    const wrong = FRIEND.sign(`${text}x`)
    expect(await send(world, upload, wrong, stranger, friend, friend, own)).toEqual({ status: 201, text: '' })
    expect((await served(world, upload)).signatures).toEqual([own, friend])
  })

  it('that are good for other claims than the path has are dropped', async () => {
    await using world = await startRuledWorld({ trustedKeys: TRUSTED })
    const upload = await nixUpload('misused')
    const elsewhere = await nixUpload('elsewhere')
    await send(
      world,
      upload,
      FRIEND.sign(signedText(elsewhere)),
      FRIEND.sign(signedText(upload, [`${upload.storeHash}-demo`])),
    )
    expect((await served(world, upload)).signatures).toEqual([OWN.sign(signedText(upload))])
  })

  it('are merged when they come later, whichever server takes them', async () => {
    await using world = await startRuledWorld({ trustedKeys: TRUSTED })
    const upload = await nixUpload('merged')
    const text = signedText(upload)
    const path = `/nix/${upload.storeHash}.narinfo`
    await send(world, upload)
    const first = await world.fetch(path)
    expect((await sendNarinfo(world, upload, FRIEND.sign(text))).status).toBe(200)
    expect((await sendNarinfo(world, upload, OTHER_FRIEND.sign(text))).status).toBe(200)
    const all = [OWN, FRIEND, OTHER_FRIEND].map((key) => key.sign(text))
    expect((await served(world, upload)).signatures).toEqual(all)
    expect((await world.fetch(path)).headers.get('etag')).not.toBe(first.headers.get('etag'))
    const before = await world.depot.kv.get(1, 'nix-path', upload.storeHash)
    expect((await sendNarinfo(world, upload, ...all)).status).toBe(200)
    expect((await sendNarinfo(world, upload)).status).toBe(200)
    expect(await world.depot.kv.get(1, 'nix-path', upload.storeHash)).toEqual(before)
  })

  it('all stay when they come at once', async () => {
    const keys = Array.from({ length: 8 }, (_, n) => parseSecretKey(generateSecretKey(`many-${n}`)))
    await using world = await startRuledWorld({ trustedKeys: keys.map(({ publicKey }) => parsePublicKey(publicKey)) })
    const upload = await nixUpload('at once')
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const answers = await Promise.all(keys.map((key) => sendNarinfo(world, upload, key.sign(signedText(upload)))))
    expect(answers.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1)
    expect(answers.every(({ status }) => status === 200 || status === 201)).toBe(true)
    expect((await served(world, upload)).signatures).toHaveLength(9)
  })

  it('are not served any more when their key is not trusted any more, and again when it is', async () => {
    await using world = await startRuledWorld({ trustedKeys: TRUSTED })
    const upload = await nixUpload('doubted')
    const text = signedText(upload)
    await send(world, upload, FRIEND.sign(text), OTHER_FRIEND.sign(text))
    const doubting = serverBeside(world, { signingKeys: [OWN], trustedKeys: TRUSTED.slice(1) })
    expect((await served(doubting, upload)).signatures).toEqual([OWN.sign(text), OTHER_FRIEND.sign(text)])
    const blind = serverBeside(world, { signingKeys: [OWN] })
    await blind.fetch(`/nix/${upload.storeHash}.narinfo`, { method: 'PUT', body: upload.narinfo() })
    expect((await served(blind, upload)).signatures).toEqual([OWN.sign(text)])
    expect((await served(world, upload)).signatures).toHaveLength(3)
  })

  it('are asked for of every path that is not named by its content, where they are required', async () => {
    await using world = await startRuledWorld({ trustedKeys: TRUSTED, requireTrustedSignature: true })
    const upload = await nixUpload('required')
    const text = signedText(upload)
    for (const signatures of [[], [OWN.sign(text)], [STRANGER.sign(text)], [FRIEND.sign(`${text}x`)]]) {
      const answer = await send(world, upload, ...signatures)
      expect(answer).toEqual({
        status: 422,
        text: expect.stringMatching(/signature of friend-1 or other-friend-1/) as unknown,
      })
      expect((await world.fetch(`/nix/${upload.storeHash}.narinfo`)).status).toBe(404)
    }
    expect((await send(world, upload, OTHER_FRIEND.sign(text))).status).toBe(201)
    const content = 'hello a\n'
    const addressed = await nixUpload(content)
    const [hash, name] = ['s5b00ijzqx4db8vf1bcbzgmv3wb3ildz', 'dep-a']
    await put(world, `/nix/nar/${addressed.fileName}`, addressed.body)
    const narinfo = addressed.narinfo({
      StorePath: `/nix/store/${hash}-${name}`,
      CA: `text:sha256:${sha256Nix32(Buffer.from(content))}`,
    })
    expect((await put(world, `/nix/${hash}.narinfo`, narinfo)).status).toBe(201)
  })
})

describe('keys that change', () => {
  it('sign what is here already, and lose their signatures when they go', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('rotated')
    await push(world, upload)
    const text = signedText(upload)
    const next = parseSecretKey(generateSecretKey('test-2'))
    const both = serverBeside(world, { signingKeys: [OWN, next] })
    expect((await served(both, upload)).signatures).toEqual([OWN.sign(text), next.sign(text)])
    const after = serverBeside(world, { signingKeys: [next] })
    expect((await served(after, upload)).signatures).toEqual([next.sign(text)])
  })

  it('do not make servers fight that have other keys for a while: each answers as before, and writes nothing', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('rolling')
    await push(world, upload)
    const next = parseSecretKey(generateSecretKey('test-2'))
    const restarted = serverBeside(world, { signingKeys: [OWN, next] })
    const path = `/nix/${upload.storeHash}.narinfo`
    const etags = async () =>
      Promise.all([world, restarted].map(async (server) => (await server.fetch(path)).headers.get('etag')))
    const first = await etags()
    expect(new Set(first).size).toBe(2)
    const { commit } = world.depot.kv
    let commits = 0
    world.depot.kv.commit = (change) => {
      commits++
      return commit.call(world.depot.kv, change)
    }
    for (let round = 0; round < 3; round++) expect(await etags()).toEqual(first)
    expect(commits).toBe(0)
    // What one of them takes in, the other signs too.
    const other = await nixUpload('taken by the other')
    await restarted.fetch(`/nix/nar/${other.fileName}`, { method: 'PUT', body: Uint8Array.from(other.body) })
    await restarted.fetch(`/nix/${other.storeHash}.narinfo`, { method: 'PUT', body: other.narinfo() })
    expect((await served(world, other)).signatures).toEqual([OWN.sign(signedText(other))])
    expect((await served(restarted, other)).signatures).toHaveLength(2)
  })

  it('are all named in nix-cache-info', async () => {
    const second = generateSecretKey('second-1')
    await using world = await startNixWorld(SECRET, second)
    const info = await (await world.fetch('/nix/nix-cache-info')).text()
    expect(info.match(/^PublicKey: .*$/gm)).toEqual(
      [SECRET, second].map((secret) => `PublicKey: ${parseSecretKey(secret).publicKey}`),
    )
  })
})

describe('references', () => {
  it('must be here when the narinfo comes, and those that are missing are named', async () => {
    await using world = await startNixWorld()
    const [here, gone, top] = [await nixUpload('here'), await nixUpload('gone'), await nixUpload('top')]
    await push(world, here)
    await put(world, `/nix/nar/${top.fileName}`, top.body)
    const path = `/nix/${top.storeHash}.narinfo`
    const text = top.narinfo({
      References: [here, gone, top].map(({ storeHash }) => `${storeHash}-demo`).join(' '),
    })
    const answer = await put(world, path, text)
    expect(answer).toEqual({
      status: 422,
      text: expect.stringContaining(`hold: ${gone.storeHash}-demo. Send`) as unknown,
    })
    expect((await world.fetch(path, { method: 'HEAD' })).status).toBe(404)
    await push(world, gone)
    expect(await put(world, path, text)).toEqual({ status: 201, text: '' })
  })

  it('are not here when another path with that hash is', async () => {
    await using world = await startNixWorld()
    const [here, top] = [await nixUpload('here'), await nixUpload('top')]
    await push(world, here)
    await put(world, `/nix/nar/${top.fileName}`, top.body)
    const answer = await put(
      world,
      `/nix/${top.storeHash}.narinfo`,
      top.narinfo({ References: `${here.storeHash}-else` }),
    )
    expect(answer).toEqual({ status: 422, text: expect.stringContaining(`${here.storeHash}-else`) as unknown })
  })

  it('are named up to ten when many are missing', async () => {
    await using world = await startNixWorld()
    const top = await nixUpload('many')
    await put(world, `/nix/nar/${top.fileName}`, top.body)
    const names = Array.from({ length: 3000 }, (_, n) => `${sha256Nix32(Buffer.from(`${n}`)).slice(0, 32)}-n`)
    const { status, text } = await put(
      world,
      `/nix/${top.storeHash}.narinfo`,
      top.narinfo({ References: names.join(' ') }),
    )
    expect(status).toBe(422)
    expect(text).toContain('and 2990 more')
    expect(text.length).toBeLessThan(1000)
  })

  it('may be elsewhere where partial closures are wanted', async () => {
    await using world = await startRuledWorld({ requireReferences: false })
    const upload = await nixUpload('partial')
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const reference = '54vm60lrm3kmi5v6vf7li41kb9k37c88-glibc'
    expect(
      (await put(world, `/nix/${upload.storeHash}.narinfo`, upload.narinfo({ References: reference }))).status,
    ).toBe(201)
    expect((await served(world, upload)).references).toEqual([reference])
  })

  it('that differ from those of the same content are refused with a reason, and the first stay', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('quoted')
    await push(world, upload)
    const text = upload.narinfo({ References: `${upload.storeHash}-demo` })
    const answer = await put(world, `/nix/${upload.storeHash}.narinfo`, text)
    expect(answer).toEqual({
      status: 409,
      text: expect.stringContaining(`${upload.storeHash}-demo stands in one`) as unknown,
    })
    expect((await served(world, upload)).references).toEqual([])
  })
})

describe('a path that comes again', () => {
  it('gets the deriver and the content address that it came without', async () => {
    await using world = await startNixWorld()
    const content = 'hello a\n'
    const upload = await nixUpload(content)
    const [hash, name] = ['s5b00ijzqx4db8vf1bcbzgmv3wb3ildz', 'dep-a']
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const path = `/nix/${hash}.narinfo`
    const said = { StorePath: `/nix/store/${hash}-${name}` }
    expect((await put(world, path, upload.narinfo({ ...said, Deriver: 'unknown-deriver' }))).status).toBe(201)
    const more = { Deriver: `${hash}-x.drv`, CA: `text:sha256:${sha256Nix32(Buffer.from(content))}` }
    expect((await put(world, path, upload.narinfo({ ...said, ...more }))).status).toBe(200)
    expect((await put(world, path, upload.narinfo({ ...said, Deriver: `${hash}-y.drv` }))).status).toBe(200)
    const text = await (await world.fetch(path)).text()
    expect(text).toContain(`Deriver: ${more.Deriver}\n`)
    expect(text).toContain(`CA: ${more.CA}\n`)
    expect(text.match(/^Sig: /gm)).toHaveLength(1)
    expect((await world.depot.kv.blobOf(1, 'nix-path', sha256Hex(upload.nar)))?.digest).toBe(sha256Hex(upload.nar))
  })

  it('may be of a record that knew nothing of signatures', async () => {
    await using world = await startRuledWorld({ trustedKeys: TRUSTED })
    const upload = await nixUpload('older')
    await push(world, upload)
    const record = await world.depot.kv.get(1, 'nix-path', upload.storeHash)
    const { signatures: _, ...older } = JSON.parse(record?.value ?? '') as Record<string, unknown>
    await world.depot.kv.commit({
      cache: 1,
      puts: [{ kind: 'nix-path', key: upload.storeHash, value: JSON.stringify(older), refs: [sha256Hex(upload.nar)] }],
    })
    expect((await served(world, upload)).signatures).toHaveLength(1)
    await sendNarinfo(world, upload, FRIEND.sign(signedText(upload)))
    expect((await served(world, upload)).signatures).toHaveLength(2)
  })
})
