import { createHmac, randomBytes } from 'node:crypto'

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  encoded,
  forge,
  goodClaims,
  LOGIN_KINDS,
  makeLoginKey,
  signWith,
  type Forgery,
  type LoginKey,
} from '../helpers/forged-logins.ts'
import { rawRequest, type RawResponse } from '../helpers/raw-http.ts'
import { storedFiles } from '../helpers/stored-files.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const keys = LOGIN_KINDS.map((kind) => makeLoginKey(kind))
const stranger = makeLoginKey('p256')
const wheel = buildWheel({ name: 'demo', version: '1.0' })
const PATH = `/python/demo/${wheel.filename}`

let world: World
beforeAll(async () => {
  // Every request comes from another address: what slows a guesser down is another test's matter.
  const settings = { 'trusted-proxy': '127.0.0.1' }
  world = await startWorld({ authFile: keys.map(({ line }) => `w ${line}\n`).join(''), settings })
})
afterAll(() => world[Symbol.asyncDispose]())

/** A login for exactly the upload below, but for what the test changes. */
function upload(key: LoginKey, forgery: Forgery = {}): string {
  const { claims = {} } = forgery
  if (typeof claims === 'string') return forge(key, world.url, forgery)
  return forge(key, world.url, { ...forgery, claims: { htm: 'PUT', htu: PATH, ...claims } })
}

function put(authorization: string | readonly string[] | undefined, path = PATH): Promise<RawResponse> {
  const shown = authorization === undefined ? {} : { Authorization: [authorization].flat() }
  return rawRequest(world.url, {
    method: 'PUT',
    path,
    headers: { ...shown, 'X-Forwarded-For': anyAddress() },
    body: wheel.bytes,
  })
}

function anyAddress(): string {
  return [...randomBytes(3)].reduce((text, byte) => `${text}.${byte}`, '10')
}

function bearer(token: string): string {
  return `Bearer ${token}`
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** Everything that an answer says. How its connection ends depends on how much of the body had come. */
function seen({ status, headers, body }: RawResponse): unknown {
  const { date: _, connection: _connection, 'keep-alive': _timeout, ...others } = headers
  return { status, headers: others, body: body.toString() }
}

const now = () => Math.floor(Date.now() / 1000)

const pem = ({ publicKey }: LoginKey) => publicKey.export({ type: 'spki', format: 'pem' }).toString()
const sshBytes = ({ line }: LoginKey) => Buffer.from(line.split(' ')[1] ?? '', 'base64')

function hmac(key: LoginKey, secret: string | Buffer): string {
  return upload(key, {
    header: { alg: 'HS256' },
    signature: (input) => createHmac('sha256', secret).update(input).digest(),
  })
}

/** A claim said twice: last the bad one, or last the good one. */
function twice(key: LoginKey, name: string, values: readonly [unknown, unknown]): string {
  const claims = JSON.stringify({ ...goodClaims(key, world.url), htm: 'PUT', htu: PATH, [name]: '#' })
  const [one, other] = values.map((value) => `"${name}":${JSON.stringify(value)}`)
  return claims.replace(`"${name}":"#"`, `${one},${other}`)
}

/** What takes the place of a part of a good token after it was signed. */
function swapped(key: LoginKey, change: (parts: [string, string, string]) => readonly string[]): string {
  const [header = '', claims = '', signature = ''] = upload(key).split('.')
  return change([header, claims, signature]).join('.')
}

function withOther(character: string | undefined): string {
  return character === 'A' ? 'B' : 'A'
}

type Case = readonly [name: string, token: (key: LoginKey) => string]

const HEADER_CASES: readonly Case[] = [
  ['no algorithm, unsigned', (key) => upload(key, { header: { alg: 'none' }, signature: () => '' })],
  ['no algorithm, signed', (key) => upload(key, { header: { alg: 'none' } })],
  ['no algorithm in capitals', (key) => upload(key, { header: { alg: 'NONE' }, signature: () => '' })],
  ['HS256 with the public key as PEM', (key) => hmac(key, pem(key))],
  ['HS256 with the public key as a line', (key) => hmac(key, key.line)],
  ['HS256 with the bytes of the public key', (key) => hmac(key, sshBytes(key))],
  ['HS256 with nothing', (key) => hmac(key, '')],
  ["another key's algorithm", (key) => upload(key, { header: { alg: key.kind === 'p256' ? 'RS512' : 'ES256' } })],
  ['PS512', (key) => upload(key, { header: { alg: 'PS512' } })],
  ['RS256 for a signature of RS512', (key) => upload(key, { header: { alg: 'RS256' } })],
  ['its algorithm in other letters', (key) => upload(key, { header: { alg: key.algorithm.toLowerCase() } })],
  ['a path as kid', (key) => upload(key, { header: { kid: '../../etc/passwd' } })],
  ['SQL as kid', (key) => upload(key, { header: { kid: "' OR 1=1; DROP TABLE record; --" } })],
  ['a URL as kid', (key) => upload(key, { header: { kid: 'http://127.0.0.1:9/key' } })],
  ['a long kid', (key) => upload(key, { header: { kid: 'A'.repeat(2500) } })],
  ['the kid of a key that is not listed', (key) => upload(key, { header: { kid: stranger.fingerprint } })],
  ["another's kid", (key) => upload(key, { header: { kid: keys.find((other) => other !== key)?.fingerprint } })],
  ['no kid', (key) => upload(key, { header: { kid: undefined } })],
  ['a kid that is a list', (key) => upload(key, { header: { kid: [key.fingerprint] } })],
  ['__proto__ as kid', (key) => upload(key, { header: { kid: '__proto__' } })],
  ['crit', (key) => upload(key, { header: { crit: ['exp'], exp: now() + 60 } })],
  ['an empty crit', (key) => upload(key, { header: { crit: [] } })],
  ['b64', (key) => upload(key, { header: { b64: true } })],
  ['crit and b64', (key) => upload(key, { header: { crit: ['b64'], b64: true } })],
  [
    'a key of its own',
    (key) => upload(stranger, { header: { kid: key.fingerprint, jwk: stranger.publicKey.export({ format: 'jwk' }) } }),
  ],
  ['its own key as jwk', (key) => upload(key, { header: { jwk: {} } })],
  ['jku', (key) => upload(key, { header: { jku: 'http://127.0.0.1:9/keys' } })],
  ['x5u', (key) => upload(key, { header: { x5u: 'http://127.0.0.1:9/chain' } })],
  ['x5c', (key) => upload(key, { header: { x5c: ['MIIB'] } })],
  ['zip', (key) => upload(key, { header: { zip: 'DEF' } })],
  ['typ in capitals', (key) => upload(key, { header: { typ: 'DEPOT-SSH+JWT' } })],
  ['typ with application/', (key) => upload(key, { header: { typ: 'application/depot-ssh+jwt' } })],
  ['typ of other JWTs', (key) => upload(key, { header: { typ: 'JWT' } })],
  ['no typ', (key) => upload(key, { header: { typ: undefined } })],
  [
    'alg twice',
    (key) =>
      upload(key, {
        header: `{"alg":"none","alg":"${key.algorithm}","kid":"${key.fingerprint}","typ":"depot-ssh+jwt"}`,
      }),
  ],
  [
    'kid twice',
    (key) =>
      upload(key, { header: `{"alg":"${key.algorithm}","kid":"x","kid":"${key.fingerprint}","typ":"depot-ssh+jwt"}` }),
  ],
  ['a header that is no JSON', (key) => upload(key, { header: '{"alg":' })],
  ['a header that is a list', (key) => upload(key, { header: '{"0":["alg"]}' })],
]

const CLAIM_CASES: readonly Case[] = [
  ['six minutes late', (key) => upload(key, { claims: { iat: now() - 480, nbf: now() - 485, exp: now() - 360 } })],
  [
    'of a client two minutes ahead',
    (key) => upload(key, { claims: { iat: now() + 120, nbf: now() + 115, exp: now() + 240 } }),
  ],
  [
    'issued two minutes ahead, without nbf',
    (key) => upload(key, { claims: { iat: now() + 120, nbf: undefined, exp: now() + 240 } }),
  ],
  ['not good yet', (key) => upload(key, { claims: { nbf: now() + 60 } })],
  ['without exp', (key) => upload(key, { claims: { exp: undefined } })],
  ['with exp as text', (key) => upload(key, { claims: { exp: String(now() + 120) } })],
  ['with exp in the far future', (key) => upload(key, { claims: { exp: 1e300 } })],
  ['without iat', (key) => upload(key, { claims: { iat: undefined } })],
  ['issued long ago, and still good', (key) => upload(key, { claims: { iat: now() - 3600 } })],
  ['good for 301 seconds', (key) => upload(key, { claims: { exp: now() + 291, iat: now() - 10 } })],
  ['good for no time', (key) => upload(key, { claims: { exp: now(), iat: now() } })],
  ['for another depot', (key) => upload(key, { claims: { aud: 'https://other.example' } })],
  ['for this depot over https', (key) => upload(key, { claims: { aud: world.url.replace('http:', 'https:') } })],
  ['for this depot with a slash', (key) => upload(key, { claims: { aud: `${world.url}/` } })],
  ['for this depot and another', (key) => upload(key, { claims: { aud: [world.url, 'https://other.example'] } })],
  ['for a list of this depot', (key) => upload(key, { claims: { aud: [world.url] } })],
  ['for nobody', (key) => upload(key, { claims: { aud: undefined } })],
  ['without jti', (key) => upload(key, { claims: { jti: undefined } })],
  ['with a short jti', (key) => upload(key, { claims: { jti: 'A'.repeat(15) } })],
  ['with a long jti', (key) => upload(key, { claims: { jti: 'A'.repeat(65) } })],
  ['with a jti of other signs', (key) => upload(key, { claims: { jti: `${'A'.repeat(20)}\n\u202e` } })],
  ['with a jti that is a number', (key) => upload(key, { claims: { jti: 1_234_567_890_123_456 } })],
  ['with another sub', (key) => upload(key, { claims: { sub: stranger.fingerprint } })],
  ['without sub', (key) => upload(key, { claims: { sub: undefined } })],
  ['with a scope that is none', (key) => upload(key, { claims: { scope: 'everything' } })],
  ['with an empty scope', (key) => upload(key, { claims: { scope: '' } })],
  ['with a scope of an unknown ecosystem', (key) => upload(key, { claims: { scope: 'cargo:*:*' } })],
  ['with a scope that is a list', (key) => upload(key, { claims: { scope: ['*:*:*'] } })],
  ['with htm only', (key) => upload(key, { claims: { htu: undefined } })],
  ['with htu only', (key) => upload(key, { claims: { htm: undefined } })],
  ['for no request', (key) => upload(key, { claims: { htm: undefined, htu: undefined } })],
  ['for another method', (key) => upload(key, { claims: { htm: 'DELETE' } })],
  ['for the method in small letters', (key) => upload(key, { claims: { htm: 'put' } })],
  ['for another path', (key) => upload(key, { claims: { htu: '/python/other/' } })],
  ['for the path with a query', (key) => upload(key, { claims: { htu: `${PATH}?a` } })],
  ['for the whole URL', (key) => upload(key, { claims: { htu: world.url + PATH } })],
  ['for a path that is no percent encoding', (key) => upload(key, { claims: { htu: `${PATH}%` } })],
  ['with exp twice', (key) => upload(key, { claims: twice(key, 'exp', [1, now() + 120]) })],
  ['with htu twice', (key) => upload(key, { claims: twice(key, 'htu', ['/other', PATH]) })],
  ['with aud twice', (key) => upload(key, { claims: twice(key, 'aud', ['https://other.example', world.url]) })],
  ['whose claims are no JSON', (key) => upload(key, { claims: 'claims' })],
  ['whose claims are a list', (key) => upload(key, { claims: '[]' })],
  ['whose claims are null', (key) => upload(key, { claims: 'null' })],
  [
    'whose claims nest deeply',
    (key) => upload(key, { claims: { x: JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) } }),
  ],
]

const TEXT_CASES: readonly Case[] = [
  [
    'whose claims were changed',
    (key) =>
      swapped(key, ([h, , s]) => [
        h,
        encoded(JSON.stringify({ ...goodClaims(key, world.url), htm: 'PUT', htu: PATH })),
        s,
      ]),
  ],
  [
    'whose header was changed',
    (key) => swapped(key, ([h, c, s]) => [encoded(`${Buffer.from(h, 'base64url').toString()} `), c, s]),
  ],
  ['whose signature begins otherwise', (key) => swapped(key, ([h, c, s]) => [h, c, withOther(s[0]) + s.slice(1)])],
  [
    'whose signature ends otherwise',
    (key) => swapped(key, ([h, c, s]) => [h, c, s.slice(0, -1) + withOther(s.at(-1))]),
  ],
  ['whose signature is padded', (key) => swapped(key, ([h, c, s]) => [h, c, `${s}=`])],
  ['whose signature is padded twice', (key) => swapped(key, ([h, c, s]) => [h, c, `${s}==`])],
  ['whose claims are padded', (key) => swapped(key, ([h, c, s]) => [h, `${c}=`, s])],
  [
    'whose signature is in the other alphabet',
    (key) => swapped(key, ([h, c, s]) => [h, c, `${s.replaceAll('-', '+').replaceAll('_', '/')}+`]),
  ],
  ['without a signature', (key) => swapped(key, ([h, c]) => [h, c, ''])],
  ['of two parts', (key) => swapped(key, ([h, c]) => [h, c])],
  ['of four parts', (key) => swapped(key, ([h, c, s]) => [h, c, s, s])],
  ['of five parts, as an encrypted one has', (key) => swapped(key, ([h, c, s]) => [h, c, s, c, s])],
  ['with another byte behind it', (key) => `${upload(key)}A`],
  ['with a dot behind it', (key) => `${upload(key)}.`],
  ['signed by somebody else', (key) => upload(key, { signature: (input) => signWith(stranger, input) })],
  [
    'signed with an empty signature of zeros',
    (key) => upload(key, { signature: (input) => Buffer.alloc(signWith(key, input).length) }),
  ],
  ['of over 4 KiB', (key) => upload(key, { claims: { note: 'x'.repeat(4096) } })],
  [
    'with a signature in DER',
    (key) =>
      upload(key, {
        signature: (input) =>
          key.kind.startsWith('p') ? signWith(key, input, 'der') : Buffer.concat([signWith(key, input), Buffer.of(0)]),
      }),
  ],
]

/** The answer for nobody, which is the answer for every bad login. */
async function refusal(): Promise<unknown> {
  return seen(await put(undefined))
}

describe.each(keys.map((key) => [key.kind, key] as const))('a login of an %s key', (_kind, key) => {
  it.each([...HEADER_CASES, ...CLAIM_CASES, ...TEXT_CASES])('is refused: %s', async (_name, token) => {
    const [before, text] = [world.badCredentials.length, token(key)]
    const answer = await put(bearer(text))
    expect(answer.headers['www-authenticate']).toBe('Basic realm="depot", Bearer error="invalid_token"')
    expect(seen(answer)).toEqual(await refusal())
    expect(answer.status).toBe(401)
    expect(world.badCredentials.length).toBe(before + 1)
    const told = JSON.stringify(world.badCredentials.at(-1))
    for (const part of text.split('.').filter((each) => each.length > 8)) expect(told).not.toContain(part)
    expect(seen(await put(basic('anybody', text)))).toEqual(seen(answer))
  })

  it('is refused when it is cut anywhere', async () => {
    const text = upload(key)
    const expected = await refusal()
    const lengths = Array.from({ length: text.length }, (_, length) => length).filter(
      (length) => length % 23 === 0 || text.length - length < 4,
    )
    for (const length of lengths) expect(seen(await put(bearer(text.slice(0, length))))).toEqual(expected)
  })

  it('is good once when nothing is wrong with it', async () => {
    const text = upload(key)
    expect((await put(bearer(text))).status).toBeLessThan(300)
    expect(seen(await put(bearer(text)))).toEqual(await refusal())
    expect(world.badCredentials.at(-1)).toMatchObject({ reason: 'it was used before', key: key.fingerprint })
  })
})

describe('an Authorization header', () => {
  const [key = stranger] = keys
  const good = () => upload(key)

  it.each<readonly [string, () => string | readonly string[]]>([
    ['without a scheme', () => good()],
    ['of another scheme', () => `Token ${good()}`],
    ['with a scheme only', () => 'Bearer'],
    ['with two credentials', () => `Bearer ${good()} ${good()}`],
    ['with two credentials and a comma', () => `Bearer ${good()}, Bearer ${good()}`],
    ['with a quoted credential', () => `Bearer "${good()}"`],
    ['with broken base64', () => `Basic ${Buffer.from(`a:${good()}`).toString('base64').slice(0, -3)}*`],
    [
      'with base64 that is not padded',
      () => `Basic ${Buffer.from(`ab:${good()}x`.slice(0, 400)).toString('base64').slice(0, -1)}`,
    ],
    ['with base64 and bytes behind its end', () => `${basic('a', good())}=AAAA`],
    ['with Basic and no colon', () => `Basic ${Buffer.from(good()).toString('base64')}`],
    ['with Basic and the login as the name', () => basic(good(), '')],
    ['with Basic and a colon more', () => basic('a', `:${good()}`)],
    [
      'with Basic and bytes that are no text',
      () => `Basic ${Buffer.concat([Buffer.from(`a:${good()}`), Buffer.of(0xff, 0xfe)]).toString('base64')}`,
    ],
    ['with Basic and a line break', () => basic('a', `${good()}\n`)],
    ['that stands there twice, the good one first', () => [`Bearer ${good()}`, 'Bearer eyJ']],
    ['that stands there twice, the good one last', () => ['Bearer eyJ', `Bearer ${good()}`]],
    ['that is longer than any', () => `Bearer ${'x'.repeat(12_000)}`],
    ['with a word for a stored token', () => 'Bearer dpt_'],
  ])('%s is refused', async (_name, header) => {
    expect(seen(await put(header()))).toEqual(await refusal())
  })

  it.each(['Bearer', 'bearer', 'BEARER'])('may call its scheme %s', async (scheme) => {
    expect((await put(`${scheme} ${good()}`)).status).toBeLessThan(300)
  })

  it.each(['', 'anybody', 'J\u00f6rg', '__token__'])('may name the user %j beside the login', async (user) => {
    expect((await put(basic(user, good()))).status).toBeLessThan(300)
    const latin = Buffer.from(`${user}:${good()}`, 'latin1').toString('base64')
    expect((await put(`bAsIc ${latin}`)).status).toBeLessThan(300)
  })

  it('with a kid of a megabyte ends the request before anything looks at it', async () => {
    const text = upload(key, { header: { kid: 'A'.repeat(1 << 20) } })
    expect((await put(bearer(text))).status).toBe(431)
  })

  it('is the only place for a login: a query is none', async () => {
    const expected = await refusal()
    for (const name of ['token', 'access_token', 'authToken', 'jwt', '_authToken', 'Authorization'])
      expect(seen(await put(undefined, `${PATH}?${name}=${good()}`))).toEqual(expected)
  })

  it('and a Cookie, a proxy and a header of another kind are none either', async () => {
    const expected = await refusal()
    for (const name of ['Cookie', 'Proxy-Authorization', 'X-Authorization', 'X-Forwarded-Authorization', 'npm-otp']) {
      const headers = { [name]: bearer(good()), 'X-Forwarded-For': anyAddress() }
      expect(seen(await rawRequest(world.url, { method: 'PUT', path: PATH, headers, body: wheel.bytes }))).toEqual(
        expected,
      )
    }
  })
})

describe('whatever is shown', () => {
  const [key = stranger] = keys
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.base64String({ maxLength: 200 }),
    fc.constantFrom('Bearer', 'Basic', ' ', 'eyJ', 'dpt_', '.', ':', ','),
  )

  it('as a header, it opens nothing and breaks nothing', async () => {
    const header = fc
      .array(text, { maxLength: 6 })
      .map((parts) => parts.join('').replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, '?'))
    await fc.assert(
      fc.asyncProperty(header, fc.constantFrom('', 'Bearer ', 'Basic '), async (value, scheme) => {
        expect((await put(scheme + value)).status).toBe(401)
      }),
      { numRuns: 300 },
    )
    expect(world.bugs).toEqual([])
  })

  it('as header and claims of a signed login, it opens nothing and breaks nothing', async () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(key.fingerprint, world.url, 'PUT', PATH, now(), -1, 2 ** 60),
    )
    const header = fc.dictionary(fc.constantFrom('alg', 'kid', 'typ', 'crit', 'b64', 'jwk', '__proto__'), value, {
      minKeys: 1,
    })
    const claims = fc.dictionary(fc.constantFrom('sub', 'aud', 'iat', 'exp', 'jti', 'htm', 'htu', '__proto__'), value, {
      minKeys: 1,
    })
    await fc.assert(
      fc.asyncProperty(header, claims, async (head, body) => {
        const bent = JSON.parse(JSON.stringify({ ...head }))
        const same = Object.entries(bent).every(
          ([name, held]) => held === { alg: key.algorithm, kid: key.fingerprint, typ: 'depot-ssh+jwt' }[name],
        )
        const { status } = await put(
          bearer(upload(key, same ? { header: { typ: 'x' } } : { header: bent, claims: body })),
        )
        expect(status).toBe(401)
        const second = await put(bearer(upload(key, { claims: { ...body, sub: 'x' } })))
        expect(second.status).toBe(401)
      }),
      { numRuns: 200 },
    )
    expect(world.bugs).toEqual([])
  })
})

describe('after all of that', () => {
  it('nothing was stored but what good logins brought', async () => {
    // The wheel, and what is inside it for pip to read first.
    expect(await storedFiles(world.dir)).toHaveLength(2)
    expect(world.bugs).toEqual([])
  })

  it('and nothing was told that a login says', () => {
    expect(world.badCredentials.map(({ reason, address }) => `${reason} ${address}`).join('\n')).not.toMatch(/eyJ/)
    // Names of keys and logins are random: one in a hundred runs has these letters in some of them, and none has so many more behind them.
    expect(JSON.stringify(world.badCredentials)).not.toMatch(/eyJ[\w-]{50}/)
  })
})
