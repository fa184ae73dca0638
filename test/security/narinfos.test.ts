import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { parseNarinfo } from '../../protocols/nix/narinfo.ts'
import { fileNar, sha256Hex, sha256Nix32 } from '../helpers/nar.ts'
import { nixUpload, PUBLIC, push, put, SECRET, startRuledWorld, type NixUpload } from '../helpers/nix-upload.ts'
import { fingerprint, parsePublicKey, parseSecretKey } from '../../protocols/nix/signing.ts'
import type { World } from '../helpers/world.ts'

const FOREIGN = '54vm60lrm3kmi5v6vf7li41kb9k37c88'
const WRONG = sha256Nix32(Buffer.from('something else'))
const TEXT_PATH = ['s5b00ijzqx4db8vf1bcbzgmv3wb3ildz', 'dep-a'] as const

/** What every mutant is made of: a narinfo that is right, and other things that lie here. */
interface Parts {
  readonly upload: NixUpload
  /** Another archive that is here, and no path yet. */
  readonly other: NixUpload
  /** A path that is here. */
  readonly dependency: NixUpload
  /** The right narinfo with lines replaced; undefined leaves one out. */
  with(changes: Readonly<Record<string, string | undefined>>): string
}

type Mutant = readonly [what: string, make: (parts: Parts) => string, status: number, reason: RegExp]

const line =
  (key: string, value: string | undefined): Mutant[1] =>
  (parts) =>
    parts.with({ [key]: value })
const twice =
  (key: string): Mutant[1] =>
  (parts) =>
    `${parts.with({})}${new RegExp(`^${key}: .*\n`, 'm').exec(parts.with({}))?.[0] ?? ''}`

const MUTANTS: readonly Mutant[] = [
  // Of another path than the URL says, or of none.
  ['no StorePath', line('StorePath', undefined), 400, /no StorePath/],
  ['the StorePath of another path', line('StorePath', `/nix/store/${FOREIGN}-demo`), 400, /hash in the URL/],
  ['a StorePath outside the store', line('StorePath', `/etc/${FOREIGN}-evil`), 400, /StorePath/],
  ['a StorePath of another store', line('StorePath', `/gnu/store/${FOREIGN}-demo`), 400, /StorePath/],
  ['a StorePath that climbs', line('StorePath', '/nix/store/../../etc/passwd'), 400, /StorePath/],
  [
    'a file in a store path',
    ({ with: w, upload }) => w({ StorePath: `/nix/store/${upload.storeHash}-demo/bin` }),
    400,
    /StorePath/,
  ],
  [
    'a store path named ..',
    ({ with: w, upload }) => w({ StorePath: `/nix/store/${upload.storeHash}-..` }),
    400,
    /StorePath/,
  ],
  ['StorePath twice', twice('StorePath'), 400, /StorePath stands there twice/],
  // Of an archive that is elsewhere, another one, or not here.
  ['no URL', line('URL', undefined), 400, /no URL/],
  ['a URL that climbs', line('URL', '../../../etc/passwd'), 422, /URL/],
  ['a URL of another host', line('URL', 'https://example.org/nar/x.nar'), 422, /URL/],
  ['a URL without a scheme', line('URL', '//example.org/x.nar'), 422, /URL/],
  ['a URL from the root', line('URL', `/nar/${WRONG}.nar`), 422, /URL/],
  ['a URL with dots inside', line('URL', `nar/../nar/${WRONG}.nar`), 422, /URL/],
  ['a URL with a query', line('URL', `nar/${WRONG}.nar?hash=x`), 422, /URL/],
  ['a URL with an escape', line('URL', `nar/${WRONG}%2enar`), 422, /URL/],
  ['a URL without a name', line('URL', 'nar/'), 422, /URL/],
  ['a URL with no name of an archive', line('URL', 'nar/x'), 400, /archive is named/],
  ['a URL of an archive that never came', line('URL', `nar/${WRONG}.nar.xz`), 422, /upload it first/],
  ['the URL of another archive', ({ with: w, other }) => w({ URL: `nar/${other.fileName}` }), 422, /FileHash/],
  ['URL twice', twice('URL'), 400, /URL stands there twice/],
  // Packed in another way than it is.
  ['another Compression', line('Compression', 'xz'), 422, /Compression/],
  ['no Compression', line('Compression', undefined), 422, /Compression is bzip2/],
  ['Compression: none', line('Compression', 'none'), 422, /Compression/],
  ['a Compression that nobody knows', line('Compression', 'zst'), 422, /Compression/],
  ['another FileHash', line('FileHash', `sha256:${WRONG}`), 422, /FileHash/],
  ['a FileHash that is none', line('FileHash', 'sha256:x'), 400, /FileHash/],
  ['another FileSize', line('FileSize', '1'), 422, /FileSize/],
  ['a negative FileSize', line('FileSize', '-1'), 400, /FileSize/],
  ['a FileSize beyond any file', line('FileSize', '9'.repeat(16)), 400, /FileSize/],
  // Of other content than it has.
  ['no NarHash', line('NarHash', undefined), 400, /no NarHash/],
  ['another NarHash', line('NarHash', `sha256:${WRONG}`), 422, /NarHash/],
  ['the NarHash of another archive', ({ with: w, other }) => w({ NarHash: `sha256:${other.narHash}` }), 422, /NarHash/],
  ['a NarHash by a weak algorithm', line('NarHash', `sha1:${'0'.repeat(32)}`), 400, /NarHash/],
  ['a NarHash with spare bits', line('NarHash', `sha256:z${WRONG.slice(1)}`), 400, /NarHash/],
  ['no NarSize', line('NarSize', undefined), 400, /no NarSize/],
  ['another NarSize', line('NarSize', '1'), 422, /NarSize/],
  ['a NarSize of 0', line('NarSize', '0'), 400, /NarSize/],
  ['a NarSize in hex', line('NarSize', '0x78'), 400, /NarSize/],
  ['NarSize twice', twice('NarSize'), 400, /NarSize stands there twice/],
  // Referring to what is not here, or to no paths.
  ['a reference that is not here', line('References', `${FOREIGN}-glibc`), 422, new RegExp(`${FOREIGN}-glibc`)],
  [
    'a reference under another name',
    ({ with: w, dependency }) => w({ References: `${dependency.storeHash}-x` }),
    422,
    /refers to/,
  ],
  ['a reference to a file', line('References', '/etc/passwd'), 400, /References/],
  ['a reference with the store before it', line('References', `/nix/store/${FOREIGN}-b`), 400, /References/],
  ['a reference without a name', line('References', FOREIGN), 400, /References/],
  ['References twice', twice('References'), 400, /References stands there twice/],
  // Made by something that is not a derivation, on something that is no platform.
  ['a Deriver that climbs', line('Deriver', '../x.drv'), 400, /Deriver/],
  ['a Deriver that is no derivation', line('Deriver', `${FOREIGN}-demo`), 400, /Deriver/],
  ['a System with a blank', line('System', 'x86_64 linux'), 400, /System/],
  // Signed by nobody.
  ['a Sig without a key', line('Sig', 'c2ln'), 400, /Sig/],
  ['a Sig that is no base64', line('Sig', 'test-1:***'), 400, /Sig/],
  // Named by content that it does not have.
  ['a CA that is nonsense', line('CA', 'nonsense'), 422, /CA/],
  ['a CA that is empty', line('CA', ''), 422, /CA/],
  ['a CA that gives another path', line('CA', `fixed:r:sha256:${WRONG}`), 422, /CA/],
  ['a text CA that gives another path', line('CA', `text:sha256:${WRONG}`), 422, /CA/],
  ['a CA that nobody can check', line('CA', `fixed:git:sha1:${'0'.repeat(40)}`), 422, /CA/],
  ['CA twice', ({ with: w }) => `${w({ CA: 'x' })}CA: x\n`, 400, /CA stands there twice/],
  // Two lines in one, for a reader that splits elsewhere.
  ['a carriage return', ({ with: w }) => w({}).replaceAll('\n', '\r\n'), 400, /plain characters/],
  ['a NUL', ({ with: w }) => w({ Deriver: `${FOREIGN}-a\0.drv` }), 400, /plain characters/],
  ['no blank after a colon', ({ with: w }) => w({}).replace('NarSize: ', 'NarSize:'), 400, /Key: value/],
  ['no end', ({ with: w }) => w({}).slice(0, -1), 400, /last line/],
]

describe('a narinfo with one thing wrong', () => {
  let world: World
  let parts: Parts

  beforeAll(async () => {
    world = await startRuledWorld({ trustedKeys: [parsePublicKey(PUBLIC)] })
    const [upload, other] = [await nixUpload('mutant'), await nixUpload('another archive')]
    const dependency = await nixUpload('dependency', { name: 'dep' })
    await push(world, dependency)
    for (const { fileName, body } of [upload, other]) await put(world, `/nix/nar/${fileName}`, body)
    const right = {
      References: `${dependency.storeHash}-dep ${upload.storeHash}-demo`,
      Deriver: `${FOREIGN}-demo.drv`,
      System: 'x86_64-linux',
    }
    parts = { upload, other, dependency, with: (changes) => upload.narinfo({ ...right, ...changes }) }
  })
  afterAll(() => world[Symbol.asyncDispose]())

  /** Paths that the depot knows or has signed, and what it wrote down about the making of them. */
  async function known() {
    const paths = await world.depot.kv.list(1, 'nix-path', { from: '', limit: 100 })
    const audit = await world.depot.kv.audit(0, 100)
    return { paths, done: audit.filter(({ result }) => result === 'done') }
  }

  it.each(MUTANTS)('%s is refused and leaves nothing', async (_, make, status, reason) => {
    const text = make(parts)
    expect(text).not.toBe(parts.with({}))
    const before = await known()
    expect(before.paths.map(({ key }) => key)).toEqual([parts.dependency.storeHash])
    for (const mount of ['/nix', '']) {
      const path = `${mount}/${parts.upload.storeHash}.narinfo`
      expect(await put(world, path, text)).toEqual({ status, text: expect.stringMatching(reason) as unknown })
      for (const method of ['GET', 'HEAD']) expect((await world.fetch(path, { method })).status).toBe(404)
    }
    expect(await known()).toEqual(before)
    expect(world.bugs).toEqual([])
  })

  it('is refused when its content address is true, but of other content', async () => {
    const [hash, name] = TEXT_PATH
    const changes = { StorePath: `/nix/store/${hash}-${name}`, References: '' }
    const ca = `text:sha256:${sha256Nix32(Buffer.from('hello a\n'))}`
    const answer = await put(world, `/nix/${hash}.narinfo`, parts.with({ ...changes, CA: ca }))
    expect(answer).toEqual({ status: 422, text: expect.stringContaining('CA') as unknown })
    expect((await world.fetch(`/nix/${hash}.narinfo`)).status).toBe(404)
    expect(fileNar('hello a\n').equals(parts.upload.nar)).toBe(false)
  })

  it('leaves the way free for the right one', async () => {
    const path = `/nix/${parts.upload.storeHash}.narinfo`
    expect(await put(world, path, parts.with({}))).toEqual({ status: 201, text: '' })
    const { narHash, references, signatures } = parseNarinfo(await (await world.fetch(path)).text())
    expect(narHash).toBe(sha256Hex(parts.upload.nar))
    const signed = fingerprint({
      baseName: `${parts.upload.storeHash}-demo`,
      narHash: parts.upload.narHash,
      narSizeBytes: parts.upload.nar.byteLength,
      references,
    })
    expect(signatures).toEqual([parseSecretKey(SECRET).sign(signed)])
  })
})
