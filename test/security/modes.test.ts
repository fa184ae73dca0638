import { rm, writeFile } from 'node:fs/promises'

import { afterAll, describe, expect, it } from 'vitest'

import { makeLoginKey } from '../helpers/forged-logins.ts'
import {
  keyCaller,
  makeToken,
  NOBODY,
  sender,
  storeNames,
  tokenCaller,
  type Caller,
} from '../helpers/guarded-routes.ts'
import { startWorld, type World } from '../helpers/world.ts'

const [writer, reader, narrow, old, unknown] = [
  makeLoginKey(),
  makeLoginKey(),
  makeLoginKey(),
  makeLoginKey(),
  makeLoginKey(),
]

const WRITERS = [
  `w ${writer.line} writer@test`,
  `w ${narrow.line} narrow@test scope=npm:*:@in/*`,
  `w ${old.line} old@test expires=2020-01-01`,
].join('\n')
const READERS = `r ${reader.line} reader@test`

/** What the auth file holds; undefined when there is none, `missing` when it is named and not there. */
const FILES: Readonly<Record<string, string | undefined>> = {
  'no auth file': undefined,
  'only keys that write': WRITERS,
  'keys that write and one that reads': `${WRITERS}\n${READERS}`,
  'a key that only reads': READERS,
  'no keys': '# nobody\n\n',
  'a file that is missing': 'missing',
}
const READ_AUTH = ['auto', 'always', 'never'] as const

/** Whether anybody may read: the table of the auth file, in other words than the server's. */
function readsOpen(file: string, readAuth: string): boolean {
  if (file === 'no auth file') return true
  if (readAuth !== 'auto') return readAuth === 'never'
  return file === 'only keys that write'
}

const READS = {
  nix: '/nix/nix-cache-info',
  npm: '/npm/@out/pkg',
  python: '/python/simple/out-proj/',
  'npm within the scope': '/npm/@in/pkg',
} as const

interface Mode {
  readonly title: string
  readonly file: string
  readonly readAuth: string
  readonly world: World
  /** By name. Only those that this file gives anything. */
  readonly tokens: Readonly<Record<string, string>>
}

const opened: World[] = []
afterAll(() => Promise.all(opened.map((world) => world[Symbol.asyncDispose]())))

/** Start one with everything stored, and then with the file that is wanted: nobody can be told to store anything afterwards. */
async function startMode(file: string, readAuth: (typeof READ_AUTH)[number]): Promise<Mode> {
  const text = FILES[file]
  const settings = { 'read-auth': readAuth }
  const world = await startWorld(
    text === undefined ? { settings } : { authFile: text === 'missing' ? '' : text, settings },
  )
  opened.push(world)
  if (text === 'missing') await rm(world.authFile)
  const has = (key: { readonly line: string }) => text?.includes(key.line) === true
  const made = async (key: typeof writer, grants: readonly string[], more: object = {}) =>
    has(key) ? makeToken(world.url, key, grants, more) : 'dpt_none'
  const tokens = {
    all: await made(writer, ['*:*:*']),
    read: await made(writer, ['*:read:*']),
    scoped: await made(writer, ['npm:*:@in/*']),
    'of the reader': await made(reader, ['*:read:*']),
    short: await made(writer, ['*:*:*'], { seconds: 1 }),
  }
  if (text === undefined) await storeNames(world, '')
  else if (has(writer)) await storeNames(world, `Bearer ${tokens.all}`)
  return { title: `${file}, --read-auth ${readAuth}`, file, readAuth, world, tokens }
}

const modes: Mode[] = []
for (const file of Object.keys(FILES))
  for (const readAuth of READ_AUTH)
    // That it does not start is shown where the settings are.
    if (file !== 'no auth file' || readAuth !== 'always') modes.push(await startMode(file, readAuth))
await new Promise((resolve) => setTimeout(resolve, 1100))

interface Known {
  readonly caller: Caller
  /** The line of the file that all they may do goes back to; undefined for those who are nobody. */
  readonly key?: { readonly line: string }
  may(action: 'read' | 'write', resource: keyof typeof READS): boolean
}

const inScope = (_action: string, resource: string) => resource === 'npm within the scope'

function callersOf({ world, tokens }: Mode): readonly Known[] {
  const { url } = world
  const readsOnly = (action: string) => action === 'read'
  const token = (name: string) => tokenCaller(`a token: ${name}`, tokens[name] ?? '')
  return [
    { caller: NOBODY, may: () => false },
    { caller: keyCaller('an unknown key', unknown, url), may: () => false },
    { caller: keyCaller('a key that has expired', old, url), may: () => false },
    { caller: tokenCaller('a password', 'hunter2'), may: () => false },
    { caller: { name: 'another scheme', authorization: () => 'Negotiate abc' }, may: () => false },
    { caller: token('short'), may: () => false },
    { caller: keyCaller('a key that reads', reader, url), key: reader, may: readsOnly },
    { caller: keyCaller('a key that writes', writer, url), key: writer, may: () => true },
    { caller: keyCaller('a key that is scoped', narrow, url), key: narrow, may: inScope },
    { caller: token('all'), key: writer, may: () => true },
    { caller: token('read'), key: writer, may: readsOnly },
    { caller: token('scoped'), key: writer, may: inScope },
    { caller: token('of the reader'), key: reader, may: readsOnly },
  ]
}

const WRITES = [
  ['PUT', '/nix/nix-cache-info', 'nix'],
  ['PUT', '/npm/@out/pkg', 'npm'],
  ['PUT', '/npm/@in/pkg', 'npm within the scope'],
  ['PUT', '/python/out-proj/out_proj-1.0-py3-none-any.whl', 'python'],
] as const

/** Nobody has routes for these: everybody hears so, and nobody anything else. */
const NO_ROUTES = ['PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'] as const

describe.each(modes.map((mode) => [mode.title, mode] as const))('with %s', (_title, mode) => {
  const { world, file, readAuth } = mode
  const open = readsOpen(file, readAuth)
  const stored = file === 'no auth file' || FILES[file]?.includes(writer.line) === true
  const send = sender(world.url)
  afterAll(() => send[Symbol.dispose]())

  it.each(callersOf(mode).map((known) => [known.caller.name, known] as const))(
    '%s may do what the table says',
    async (_name, { caller, key, may }) => {
      const known = key !== undefined && FILES[file]?.includes(key.line) === true
      for (const [resource, path] of Object.entries(READS) as [keyof typeof READS, string][]) {
        const permitted = open || (known && may('read', resource))
        const due = permitted ? (stored || resource === 'nix' ? 200 : 404) : known ? 404 : 401
        for (const method of ['GET', 'HEAD'])
          expect([method, path, (await send(caller, method, path)).status]).toEqual([method, path, due])
      }
      for (const [method, path, resource] of WRITES) {
        const permitted = file === 'no auth file' || (known && may('write', resource))
        const { status } = await send(caller, method, path)
        const refused = [401, 403, 404].includes(status) ? status : false
        expect({ path, refused }).toEqual({ path, refused: permitted ? false : known ? 403 : 401 })
      }
      const form = await send(caller, 'POST', '/python/legacy/')
      const writes = file === 'no auth file' || (known && may('write', 'python'))
      expect(form.status).toBe(writes ? 400 : known ? 403 : 401)
      for (const method of NO_ROUTES)
        for (const path of Object.values(READS))
          expect([method, path, (await send(caller, method, path)).status]).toEqual([method, path, 405])
      for (const path of ['/', '/healthz', '/readyz', '/-/ping', '/npm/-/ping'])
        expect([path, (await send(caller, 'GET', path)).status]).toEqual([path, 200])
      expect(world.bugs).toEqual([])
    },
  )
})

describe('reads that need credentials', () => {
  it('need them still when the last key that only reads has left the file, even if nobody asked meanwhile', async () => {
    await using world = await startWorld({ authFile: `${WRITERS}\n${READERS}\n` })
    await changeTo(world, `${WRITERS}\n`)
    expect((await world.fetch(READS.nix)).status).toBe(401)
    await changeTo(world, `${WRITERS}\n${READERS}\n`)
    await changeTo(world, `${WRITERS}\n# nobody else\n`)
    expect((await world.fetch(READS.nix)).status).toBe(401)
  })

  it('are closed by the first key that only reads, and open before it', async () => {
    await using world = await startWorld({ authFile: `${WRITERS}\n` })
    expect((await world.fetch(READS.nix)).status).toBe(200)
    await changeTo(world, `${WRITERS}\n${READERS}\n`)
    expect((await world.fetch(READS.nix)).status).toBe(401)
  })

  it('do not open when the file is emptied, broken or removed', async () => {
    await using world = await startWorld({ authFile: READERS })
    for (const text of ['', '#\n', 'w nonsense\n', `${WRITERS}\nr ssh-ed25519 AAAA\n`]) {
      await writeFile(world.authFile, text)
      await new Promise((resolve) => setTimeout(resolve, 500))
      expect([text, (await world.fetch(READS.nix)).status]).toEqual([text, 401])
    }
    await rm(world.authFile)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect((await world.fetch(READS.nix)).status).toBe(401)
  })
})

/** Write the file and wait until it counts: a key that stands in every such file is used to see it. */
async function changeTo(world: World, text: string): Promise<void> {
  const probe = makeLoginKey()
  await writeFile(world.authFile, `${text}w ${probe.line} probe@test\n`)
  await expect
    .poll(
      async () => {
        const authorization = keyCaller('', probe, world.url).authorization('GET', '/-/session') ?? ''
        return (await world.fetch('/-/session', { headers: { authorization } })).status
      },
      { timeout: 30_000 },
    )
    .toBe(200)
}
