import { afterAll, describe, expect, it } from 'vitest'

import type { RouteLine } from '../../src/app.ts'
import { makeLoginKey } from '../helpers/forged-logins.ts'
import {
  fill,
  keyCaller,
  makeToken,
  NOBODY,
  PLACES,
  SCOPE,
  sender,
  storeNames,
  tokenCaller,
  type Caller,
  type Place,
} from '../helpers/guarded-routes.ts'
import type { RawResponse } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

const [writer, reader, scoped, expired, unknown] = [
  makeLoginKey(),
  makeLoginKey(),
  makeLoginKey('p256'),
  makeLoginKey(),
  makeLoginKey(),
]
const world = await startWorld({
  authFile: [
    `w ${writer.line} writer@test`,
    `r ${reader.line} reader@test`,
    `w ${scoped.line} narrow@test scope=${SCOPE.join(',')}`,
    `w ${expired.line} old@test expires=2020-01-01`,
  ].join('\n'),
  settings: { 'trusted-proxy': '127.0.0.1' },
})
const token = (grants: readonly string[]) => makeToken(world.url, writer, grants)
const all = await token(['*:*:*'])
await storeNames(world, `Bearer ${all}`)
const send = sender(world.url)
afterAll(async () => {
  send[Symbol.dispose]()
  await world[Symbol.asyncDispose]()
})

/** What each of them may do, said once more and in other words than the server's. */
interface Known extends Caller {
  readonly known: boolean
  may(action: string, ecosystem: string, name: string | undefined): boolean
}

const withinScope: Known['may'] = (_action, ecosystem, name) => {
  if (ecosystem === 'npm') return name === undefined || name.startsWith('@in/')
  return ecosystem === 'python' && (name === undefined || name.startsWith('in-'))
}
const callers: readonly Known[] = [
  { ...NOBODY, known: false, may: () => false },
  { ...keyCaller('somebody with an unknown key', unknown, world.url), known: false, may: () => false },
  { ...keyCaller('somebody with an expired key', expired, world.url), known: false, may: () => false },
  { ...tokenCaller('somebody with a word', 'password'), known: false, may: () => false },
  { ...keyCaller('a writer', writer, world.url), known: true, may: () => true },
  { ...keyCaller('a reader', reader, world.url), known: true, may: (action) => action === 'read' },
  { ...keyCaller('a scoped writer', scoped, world.url), known: true, may: withinScope },
  { ...tokenCaller('a token for everything', all), known: true, may: () => true },
  { ...tokenCaller('a token for reading', await token(['*:read:*'])), known: true, may: (action) => action === 'read' },
  { ...tokenCaller('a scoped token', await token(SCOPE)), known: true, may: withinScope },
  {
    ...tokenCaller('a token that may write Nix', await token(['nix:write:*'])),
    known: true,
    may: (action, ecosystem) => ecosystem === 'nix' && (action === 'read' || action === 'write'),
  },
]

/** How a name may be spelt, and what the depot should take it for: itself, another one in other letters, or nothing at all. */
interface Spelling {
  spell(name: string): string
  readonly means: (ecosystem: string) => 'same' | 'capitals' | 'nothing'
}

const hex = (text: string, format: (digits: string) => string = (digits) => digits): string =>
  [...Buffer.from(text)].map((byte) => `%${format(byte.toString(16).padStart(2, '0'))}`).join('')
const same: Spelling['means'] = () => 'same'
const nothing: Spelling['means'] = () => 'nothing'

const SPELLINGS: Readonly<Record<string, Spelling>> = {
  plain: { spell: (name) => name, means: same },
  'with %2f': { spell: (name) => name.replace('/', '%2f'), means: same },
  'with %2F': { spell: (name) => name.replace('/', '%2F'), means: same },
  'with %40': { spell: (name) => name.replace('@', '%40'), means: same },
  'with %40 and %2f': { spell: (name) => name.replace('@', '%40').replace('/', '%2f'), means: same },
  'in hexadecimal': {
    spell: (name) =>
      name
        .split('/')
        .map((part) => hex(part))
        .join('/'),
    means: same,
  },
  'in hexadecimal, capital': { spell: (name) => hex(name, (digits) => digits.toUpperCase()), means: same },
  'encoded twice': { spell: (name) => hex(name).replaceAll('%', '%25'), means: nothing },
  'in capitals': {
    spell: (name) => name.toUpperCase(),
    means: (ecosystem) => (ecosystem === 'python' ? 'same' : 'capitals'),
  },
  'with a double slash': {
    spell: (name) => `/${name}`,
    means: (ecosystem) => (ecosystem === 'python' ? 'same' : 'nothing'),
  },
  'with a dot before': { spell: (name) => `./${name}`, means: nothing },
  'with dots before': { spell: (name) => `x/../${name}`, means: nothing },
  'with encoded dots before': { spell: (name) => `x/%2e%2E/${name}`, means: nothing },
  'with a backslash': { spell: (name) => `x\\..\\${name}`, means: nothing },
  'with a NUL behind': { spell: (name) => `${name}%00`, means: nothing },
  'with a semicolon behind': { spell: (name) => `${name};x=1`, means: nothing },
  'with a space behind': { spell: (name) => `${name}%20`, means: nothing },
}

type Expected = 'done' | 'refused anyway' | 401 | 403 | 404

/** The oracle. */
function expected(caller: Known, route: RouteLine, name: string | undefined): Expected {
  if (route.policy === 'public') return 'done'
  if (route.policy === 'account') return caller.known ? 'done' : 401
  if (caller.may(route.policy, route.ecosystem, name)) return 'done'
  if (!caller.known) return 401
  return route.policy === 'read' ? 404 : 403
}

function seen({ status, headers, body }: RawResponse): string {
  const { date: _, ...others } = headers
  return JSON.stringify({ status, headers: others, body: body.toString() })
}

const methodsOf = ({ method }: RouteLine) => (method === 'GET' ? ['GET', 'HEAD'] : [method])

async function check(caller: Known, route: RouteLine, method: string, spelling: string): Promise<void> {
  const { spell, means } = SPELLINGS[spelling] ?? { spell: String, means: same }
  const meant = means(route.ecosystem)
  const answers = new Map<Place, RawResponse>()
  for (const place of PLACES) {
    const { name, path } = fill(route, place)
    const target = path(spell)
    const answer = await send(caller, method, target)
    answers.set(place, answer)
    const what = `${method} ${target} of ${caller.name}`
    const hasName = name !== undefined && name !== '' && target !== path(() => '')
    const due = expected(caller, route, meant === 'capitals' ? name?.toUpperCase() : name)
    if (meant === 'nothing' && hasName && path((each) => each) !== target)
      expect({ what, status: answer.status }).toEqual({ what, status: expect.toBeOneOf([400, 404, 405]) })
    else if (due === 'done') expectDone(route, answer, { what, stored: place !== 'nowhere' && meant === 'same' })
    else expect({ what, status: answer.status }).toEqual({ what, status: due })
    expect({ what, fails: answer.status >= 500 }).toEqual({ what, fails: false })
  }
  // What is there and what is not look alike to whoever may not see either.
  const { name } = fill(route, 'outside')
  const outside = expected(caller, route, name)
  const [there, nowhere] = [answers.get('outside'), answers.get('nowhere')]
  if (outside !== 'done' && there !== undefined && nowhere !== undefined) expect(seen(there)).toBe(seen(nowhere))
}

/** Whoever may do it is neither refused nor told that what is stored were not there. */
function expectDone(
  route: RouteLine,
  { status }: RawResponse,
  { what, stored }: { what: string; stored: boolean },
): void {
  // What one may do with one's own credentials, their rights say.
  const refused = status === 401 || (status === 403 && route.policy !== 'account')
  expect({ what, refused }).toEqual({ what, refused: false })
  if (route.policy === 'read' && route.method === 'GET' && stored && !route.path.endsWith('/-/:file'))
    expect({ what, status }).toEqual({ what, status: expect.toBeOneOf([200, 301]) })
}

describe.each(world.app.routes.map((route) => [`${route.method} ${route.path}`, route] as const))(
  '%s',
  (_title, route) => {
    it.each(callers.map((caller) => [caller.name, caller] as const))(
      'does for %s what they may do',
      async (_name, caller) => {
        const named = fill(route, 'inside').path(() => 'a') !== fill(route, 'inside').path(() => 'b')
        for (const method of methodsOf(route))
          for (const spelling of named ? Object.keys(SPELLINGS) : ['plain'])
            await check(caller, route, method, spelling)
      },
    )
  },
)

describe('after every request', () => {
  it('nothing went wrong that nobody expected, and what was stored is as it was', async () => {
    expect(world.bugs).toEqual([])
    const simple = await world.fetch('/python/simple/', {
      headers: { Authorization: `Bearer ${all}`, Accept: 'application/vnd.pypi.simple.v1+json' },
    })
    expect(await simple.json()).toMatchObject({ projects: [{ name: 'in-proj' }, { name: 'out-proj' }] })
  })
})
