import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { startS3Proxy } from '../faults/s3-proxy.ts'
import { startGuardedWorld, type GuardedWorld } from '../helpers/guarded-world.ts'
import { describeWith, have } from '../helpers/have.ts'
import { addressedExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { npmClient, npmrcLine, publishFrom } from '../helpers/npm-client.ts'
import { NPM_TOOLS } from '../helpers/npm-tools.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { uploadForm } from '../helpers/python-upload.ts'
import { createBucket } from '../helpers/s3.ts'
import { s3Settings } from '../helpers/storage-pairs.ts'
import { buildWheel } from '../helpers/wheel.ts'

const TIME = { timeout: 120_000 }

interface Watched extends AsyncDisposable {
  readonly world: GuardedWorld
  /** May read and write everything. */
  readonly token: string
  /** Authorization of each request that came to the bucket by a URL that was handed out, since the last call. */
  handedOut(): readonly (string | undefined)[]
}

/** A depot that shows nothing without credentials, and sends readers to its bucket. */
async function startWatched(): Promise<Watched> {
  await using opening = new AsyncDisposableStack()
  const bucket = opening.use(await createBucket(have.paths.s3))
  let seen: (string | undefined)[] = []
  const { endpoint } = opening.use(
    await startS3Proxy(bucket.endpoint, ({ url, headers }) => {
      if (url?.includes('X-Amz-Signature')) seen.push(headers.authorization)
      return undefined
    }),
  )
  const settings = { ...s3Settings({ ...bucket, endpoint }), 'storage-type': 's3', 's3-redirect': 'always' }
  const world = opening.use(await startGuardedWorld({ reads: 'closed', settings }))
  const token = await world.token('nix:write:*', 'npm:write:*', 'python:write:*')
  const opened = opening.move()
  return {
    world,
    token,
    handedOut() {
      const all = seen
      seen = []
      return all
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Where a client reaches the depot: the bucket is at 127.0.0.1. */
const ELSEWHERE = [{ host: 'localhost', where: 'from the bucket, and shows it no credentials' }]
/** One of each kind of clients is enough: it is the depot that decides. */
const BOTH = [
  ...ELSEWHERE,
  { host: '127.0.0.1', where: 'from the depot, because it would show the bucket its credentials' },
]

describeWith('s3', 'e2e/redirects of a depot that asks for credentials', () => {
  let depot: Watched
  beforeAll(async () => {
    depot = await startWatched()
  })
  afterAll(() => depot[Symbol.asyncDispose]())

  const at = (host: string): string => depot.world.url.replace('127.0.0.1', host)

  /** They were answered at all, so that they had shown the depot credentials. */
  function expectHandedOut(host: string): void {
    const shown = depot.handedOut()
    if (host === '127.0.0.1') expect(shown).toEqual([])
    else expect([shown.length > 0, shown.filter((each) => each !== undefined)]).toEqual([true, []])
  }

  for (const part of ['nix', 'nixNew'] as const)
    describeWith(part, part, () => {
      it.each(BOTH)('with a netrc for $host downloads $where', TIME, async ({ host }) => {
        await using client = await nixClientOf(part)
        const [store = ''] = await client.build(addressedExpression(randomBytes(4).toString('hex')))
        const options = await netrc(client, host, depot.token)
        const cache = `${at(host)}/nix`
        await client.push(`${cache}?compression=zstd`, ...options, store)
        depot.handedOut()
        await client.run('copy', '--from', cache, '--to', path.join(client.root, '..', 'pulled'), ...options, store)
        expectHandedOut(host)
      })
    })

  for (const { client, label, install, files } of NPM_TOOLS)
    describeWith(['npm', client], label, () => {
      it.each(client === 'npm12' ? BOTH : ELSEWHERE)(
        'with a token for $host downloads $where',
        TIME,
        async ({ host }) => {
          const registry = `${at(host)}/npm/`
          const line = npmrcLine(registry, '_authToken', depot.token)
          const name = `lib-${client.toLowerCase()}-${host.replaceAll('.', '-')}`
          await using npm = await npmClient('npm', registry, [line])
          await publishFrom(npm, { name, version: '1.0.0' })
          const lines =
            client === 'yarnBerry'
              ? [`npmAuthToken: ${depot.token}`, 'npmAlwaysAuth: true']
              : [line, ...(client === 'yarn' ? ['always-auth=true'] : [])]
          await using other = await npmClient(client, registry, lines)
          const manifest = { name: 'app', version: '0.0.0', dependencies: { [name]: '^1.0.0' } }
          const app = await other.folder('app', manifest, files)
          depot.handedOut()
          await other.run(app, ...install)
          expect(createRequire(path.join(app, 'index.js'))(name)).toBe(`${name}@1.0.0`)
          expectHandedOut(host)
        },
      )
    })

  for (const part of ['pip', 'pipOld', 'uv'] as const)
    describeWith(['python', part], part, () => {
      it.each(part === 'pip' ? BOTH : ELSEWHERE)(
        'with a password for $host downloads $where',
        TIME,
        async ({ host }) => {
          const name = `tool-${part.toLowerCase()}-${host.replaceAll('.', '-')}`
          const wheel = buildWheel({ name, version: '1.0' })
          const { contentType, body } = uploadForm(wheel)
          const headers = { 'Content-Type': contentType, Authorization: `Bearer ${depot.token}` }
          const stored = await depot.world.fetch('/python/legacy/', {
            method: 'POST',
            headers,
            body: Uint8Array.from(body),
          })
          expect(stored.status).toBe(200)
          await using python = await pythonClient()
          const url = `${at(host).replace('//', `//__token__:${depot.token}@`)}/python/simple/`
          const [program, args, env] =
            part === 'uv'
              ? [have.paths.uv, ['pip', 'install', '--python', have.paths.python], { UV_DEFAULT_INDEX: url }]
              : [have.paths[part], ['install'], { PIP_INDEX_URL: url }]
          depot.handedOut()
          await python.ok(program, [...args, '--target', python.join('t'), name], env)
          expectHandedOut(host)
        },
      )
    })
})

/** Options that make Nix show a token to a host. */
async function netrc(nix: NixClient, host: string, token: string): Promise<readonly string[]> {
  const file = path.join(nix.root, '..', 'netrc')
  await writeFile(file, `machine ${host} login depot password ${token}\n`)
  return ['--option', 'netrc-file', file]
}
