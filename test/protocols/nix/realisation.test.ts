import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { nixProtocol } from '../../../protocols/nix/index.ts'
import { generateSecretKey, parsePublicKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { LIMITS } from '../../../src/limits.ts'
import { compress } from '../../helpers/compress.ts'
import { PUBLIC, put, SECRET, startNixWorld } from '../../helpers/nix-upload.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const HASH = '54vm60lrm3kmi5v6vf7li41kb9k37c88'
const PATH = `${HASH}-ca-test`
const DRV = `${HASH}-ca-test.drv`
const idOf = (digit: string, output = 'out'): string => `sha256:${digit.repeat(64)}!${output}`
const SIG = `somebody-1:${Buffer.alloc(64, 7).toString('base64')}`

/** As Nix up to 2.34 writes it. */
const said = (id: string, changes: object = {}): string =>
  JSON.stringify({ dependentRealisations: {}, id, outPath: PATH, signatures: [], ...changes })

describe('a realisation', () => {
  let world: World
  beforeAll(async () => {
    world = await startNixWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it.each(['', '/nix'])('is served with our signature over what Nix signs, at "%s"', async (mount) => {
    const id = idOf(mount === '' ? 'a' : 'b')
    const path = `${mount}/realisations/${id}.doi`
    const others = { [idOf('f')]: `${HASH}-z`, [idOf('e', 'dev')]: `${HASH}-y` }
    expect((await world.fetch(path)).status).toBe(404)
    expect(await put(world, path, said(id, { dependentRealisations: others }))).toEqual({ status: 201, text: '' })
    const answer = await world.fetch(path.replace(':', '%3A').replace('!', '%21'))
    expect(answer.headers.get('content-type')).toBe('application/json')
    const { signatures, ...rest } = (await answer.json()) as { signatures: string[] }
    expect(rest).toEqual({ dependentRealisations: others, id, outPath: PATH })
    const signed = `{"dependentRealisations":{"${idOf('e', 'dev')}":"${HASH}-y","${idOf('f')}":"${HASH}-z"},"id":"${id}","outPath":"${PATH}"}`
    expect(signatures).toEqual([parseSecretKey(SECRET).sign(signed)])
    expect(parsePublicKey(PUBLIC).verify(signed, signatures[0] ?? '')).toBe(true)
  })

  it('of a newer Nix is known by its derivation, and its signatures have two parts', async () => {
    const path = `/nix/build-trace-v2/${DRV}/out.doi`
    const [keyName = '', sig = ''] = SIG.split(':')
    expect((await put(world, path, JSON.stringify({ outPath: PATH, signatures: [{ keyName, sig }] }))).status).toBe(201)
    const signed = `{"key":{"drvPath":"${DRV}","outputName":"out"},"value":{"outPath":"${PATH}"}}`
    const own = parseSecretKey(SECRET).sign(signed).split(':')
    expect(await (await world.fetch(path)).json()).toEqual({
      outPath: PATH,
      signatures: [{ keyName: own[0], sig: own[1] }],
    })
    expect((await world.fetch(`/nix/build-trace-v2/${DRV}/dev.doi`)).status).toBe(404)
  })

  it('may come again, compressed too; another path for it is refused with a reason and the first stays', async () => {
    const id = idOf('1')
    const path = `/nix/realisations/${id}.doi`
    const other = said(id, { outPath: `${HASH}-other` })
    expect((await put(world, path, said(id))).status).toBe(201)
    expect(
      (await put(world, path, await compress('br', Buffer.from(said(id))), { 'Content-Encoding': 'br' })).status,
    ).toBe(200)
    expect(await put(world, path, other)).toEqual({
      status: 409,
      text: expect.stringContaining('not reproducible') as unknown,
    })
    expect(await (await world.fetch(path)).text()).toContain(`"${PATH}"`)
    const lines = (await world.depot.kv.audit(0, 1000)).filter(({ resource }) => resource === `realisation ${id}`)
    expect(lines).toHaveLength(1)
  })

  it('is taken once when two with different paths come at once', async () => {
    const id = idOf('2')
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        put(world, `/nix/realisations/${id}.doi`, said(id, { outPath: `${HASH}-${name}` })),
      ),
    )
    expect(answers.map(({ status }) => status).sort((one, other) => one - other)).toEqual([201, 409, 409])
  })

  it.each<[what: string, body: string]>([
    ['is of another output', said(idOf('4'))],
    ['has no id', said(idOf('3'), { id: undefined })],
    ['has no path', said(idOf('3'), { outPath: undefined })],
    ['has a path elsewhere', said(idOf('3'), { outPath: '../../etc/passwd' })],
    ['has a whole path', said(idOf('3'), { outPath: `/nix/store/${PATH}` })],
    ['has a signature that is none', said(idOf('3'), { signatures: ['x'] })],
    ['has too many signatures', said(idOf('3'), { signatures: Array(LIMITS.realisationSignaturesMax + 1).fill(SIG) })],
    ['depends on what is no output', said(idOf('3'), { dependentRealisations: { x: PATH } })],
    ['depends on what is no path', said(idOf('3'), { dependentRealisations: { [idOf('5')]: 'x' } })],
    ['is a list', '[]'],
    ['is no JSON', '<html>'],
    ['is empty', ''],
  ])('that %s is refused', async (_, body) => {
    const path = `/nix/realisations/${idOf('3')}.doi`
    expect((await put(world, path, body)).status).toBe(400)
    expect((await world.fetch(path)).status).toBe(404)
  })

  it('that is too long is refused', async () => {
    const body = `${said(idOf('3'))}${' '.repeat(LIMITS.realisationBytesMax)}`
    expect((await put(world, `/nix/realisations/${idOf('3')}.doi`, body)).status).toBe(413)
  })

  it.each([
    `realisations/${idOf('A')}.doi`,
    `realisations/${idOf('3')}`,
    `realisations/${idOf('3', '')}.doi`,
    `realisations/${idOf('3', 'a%2fb')}.doi`,
    `realisations/sha1:${'3'.repeat(40)}!out.doi`,
    'realisations/.doi',
    `build-trace-v2/${PATH}/out.doi`,
    `build-trace-v2/${DRV}/out`,
    `build-trace-v2/${DRV}/.doi`,
    `build-trace-v2/${DRV}/a%2f..%2fb.doi`,
  ])('is not called %s', async (name) => {
    expect((await put(world, `/nix/${name}`, said(idOf('3')))).status).toBe(400)
    expect((await world.fetch(`/nix/${name}`)).status).toBe(400)
  })

  it('ends in no bug, whatever came', () => {
    expect(world.bugs).toEqual([])
  })
})

describe('signatures that come with realisations', () => {
  const secret = generateSecretKey('builder-1')
  const trusted = parseSecretKey(secret)
  const id = idOf('6')
  const path = `/nix/realisations/${id}.doi`
  const good = trusted.sign(`{"dependentRealisations":{},"id":"${id}","outPath":"${PATH}"}`)

  async function open(requireTrustedSignature: boolean): Promise<World> {
    const trustedKeys = [parsePublicKey(trusted.publicKey)]
    const signingKeys = [parseSecretKey(SECRET)]
    return startWorld({ protocols: [nixProtocol({ signingKeys, trustedKeys, requireTrustedSignature })] })
  }

  it('are kept when a trusted key made them, also later ones; others are dropped', async () => {
    await using world = await open(false)
    const signatures = async (): Promise<string[]> =>
      ((await (await world.fetch(path)).json()) as { signatures: string[] }).signatures
    await put(world, path, said(id, { signatures: [SIG, good.replace(/:.{4}/, ':AAAA')] }))
    expect(await signatures()).toHaveLength(1)
    expect((await put(world, path, said(id, { signatures: [SIG, good] }))).status).toBe(200)
    expect(await signatures()).toEqual([good, expect.stringMatching(/^test-1:/)])
    const record = await world.depot.kv.get(1, 'nix-realisation', id)
    await put(world, path, said(id, { signatures: [good, good] }))
    expect((await world.depot.kv.get(1, 'nix-realisation', id))?.version).toBe(record?.version)
  })

  it('are asked for where the cache asks for them', async () => {
    await using world = await open(true)
    const answer = await put(world, path, said(id, { signatures: [SIG] }))
    expect(answer).toEqual({ status: 422, text: expect.stringContaining('builder-1') as unknown })
    expect((await put(world, path, said(id, { signatures: [good] }))).status).toBe(201)
  })
})
