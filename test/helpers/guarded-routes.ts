import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'

import type { RouteLine } from '../../src/app.ts'
import { attestation } from './attestation.ts'
import { loginFor, type LoginKey } from './forged-logins.ts'
import { sha256Hex } from './nar.ts'
import { nixUpload } from './nix-upload.ts'
import { tarballOf, withProvenance } from './npm-fixtures.ts'
import { uploadForm } from './python-upload.ts'
import { rawRequest, type RawResponse } from './raw-http.ts'
import { buildWheel } from './wheel.ts'
import type { World } from './world.ts'

/** What a scoped caller may see and change, what it may not although it is there, and what is not there either. */
export const PLACES = ['inside', 'outside', 'nowhere'] as const
export type Place = (typeof PLACES)[number]

const NPM = { inside: '@in/pkg', outside: '@out/pkg', nowhere: '@out/none' } as const
const PYTHON = { inside: 'in-proj', outside: 'out-proj', nowhere: 'out-none' } as const

/** What everybody who is scoped here is scoped to. */
export const SCOPE = ['npm:*:@in/*', 'python:*:in-*'] as const

/** A route with names in its pattern. */
export interface Filled {
  /** What the decision is about; undefined when a body tells it. */
  readonly name: string | undefined
  /** The path, with the name spelt as `spell` spells it. */
  path(spell: (name: string) => string): string
}

type Filling = (place: Place) => Filled

const plain =
  (path: string, name = ''): Filling =>
  () => ({ name, path: () => path })

/** The name stands in the body. */
const form =
  (path: string): Filling =>
  () => ({ name: undefined, path: () => path })

const npm =
  (path: (name: string, file: string) => string): Filling =>
  (place) => {
    const name = NPM[place]
    return { name, path: (spell) => path(spell(name), `${name.split('/')[1]}-1.0.0.tgz`) }
  }

const python =
  (path: (name: string, file: string) => string): Filling =>
  (place) => {
    const name = PYTHON[place]
    return { name, path: (spell) => path(spell(name), `${name.replaceAll('-', '_')}-1.0-py3-none-any.whl`) }
  }

const demo = await nixUpload('what is stored')
const other = await nixUpload('what is not stored')
const nix =
  (path: (upload: typeof demo) => string): Filling =>
  (place) => ({ name: '', path: () => path(place === 'nowhere' ? other : demo) })

/** Every pattern that any route has, below its mount. One that is not here has nobody who looks at what it lets through. */
const FILLINGS: Readonly<Record<string, Filling>> = {
  'depot /': plain('/'),
  'depot /healthz': plain('/healthz'),
  'depot /readyz': plain('/readyz'),
  'depot /-/session': plain('/-/session'),
  'depot /-/tokens': plain('/-/tokens'),
  'depot /-/tokens/:id': plain('/-/tokens/AAAAAAAAAAAA'),
  'depot /-/logins/:code': plain('/-/logins/BCDF-GHJK'),
  'nix /nix-cache-info': plain('/nix-cache-info'),
  'nix /nar/:file': nix(({ fileName }) => `/nar/${fileName}`),
  'nix /:file': nix(({ storeHash }) => `/${storeHash}.narinfo`),
  'nix /:listing': nix(({ storeHash }) => `/${storeHash}.ls`),
  'nix /log/:derivation': nix(({ storeHash }) => `/log/${storeHash}-demo.drv`),
  'nix /realisations/:output': nix(({ narHash }) => `/realisations/sha256:${sha256Hex(Buffer.from(narHash))}!out.doi`),
  'nix /build-trace-v2/:derivation/:output': nix(({ storeHash }) => `/build-trace-v2/${storeHash}-demo.drv/out.doi`),
  'nix /debuginfo/:buildId': nix(({ narHash }) => `/debuginfo/${sha256Hex(Buffer.from(narHash)).slice(0, 40)}`),
  'nix /-/missing': plain('/-/missing'),
  'nix /-/nars': plain('/-/nars'),
  'nix /-/narinfos': plain('/-/narinfos'),
  'nix /-/paths': plain('/-/paths'),
  'nix /-/paths/:hash': nix(({ storeHash }) => `/-/paths/${storeHash}`),
  // What is stored stays for those that come after: whoever may delete finds nothing.
  'nix DELETE /-/paths/:hash': nix(() => `/-/paths/${other.storeHash}`),
  'nix /-/deletions': plain('/-/deletions'),
  'nix /-/wanted': plain('/-/wanted'),
  'nix /-/inventory': plain('/-/inventory'),
  'npm /-/wanted': plain('/-/wanted'),
  'npm /-/inventory': plain('/-/inventory'),
  'npm /-/ping': plain('/-/ping'),
  'npm /-/whoami': plain('/-/whoami'),
  'npm /-/npm/v1/user': plain('/-/npm/v1/user'),
  'npm /-/user/:user': plain('/-/user/org.couchdb.user:somebody'),
  'npm /-/user/token/:token': plain('/-/user/token/dpt_nothing'),
  'npm /-/npm/v1/tokens': plain('/-/npm/v1/tokens'),
  'npm /-/npm/v1/tokens/token/:key': plain('/-/npm/v1/tokens/token/AAAAAAAAAAAA'),
  'npm /-/v1/login': plain('/-/v1/login'),
  'npm /-/v1/login/:code': plain('/-/v1/login/BCDF-GHJK'),
  'npm /-/v1/done/:secret': plain('/-/v1/done/dpt_nothing'),
  'npm /-/:file': plain('/-/npm-1.0.0.tgz', 'npm'),
  'npm /-/v1/search': form('/-/v1/search?text='),
  'npm /-/npm/v1/security/advisories/bulk': form('/-/npm/v1/security/advisories/bulk'),
  'npm /-/npm/v1/security/audits': form('/-/npm/v1/security/audits'),
  'npm /-/npm/v1/security/audits/quick': form('/-/npm/v1/security/audits/quick'),
  'npm /-/npm/v1/keys': plain('/-/npm/v1/keys'),
  'npm /-/npm/v1/keys/:keyid': plain('/-/npm/v1/keys/SHA256:none'),
  'npm /-/missing-versions': form('/-/missing-versions'),
  'npm /-/npm/v1/attestations/:spec': npm((name) => `/-/npm/v1/attestations/${name}@1.0.0`),
  'npm /:name': npm((name) => `/${name}`),
  'npm /:name/:selector': npm((name) => `/${name}/1.0.0`),
  // What is stored stays here too: these revisions, versions and tombstones are never there.
  'npm /:name/-rev/:revision': npm((name) => `/${name}/-rev/0-0`),
  'npm /:name/-/:file/-rev/:revision': npm((name, file) => `/${name}/-/${file}/-rev/0-0`),
  'npm DELETE /:name/:version': npm((name) => `/${name}/9.9.9`),
  'npm /-/package/:name/dist-tags/:tag': npm((name) => `/-/package/${name}/dist-tags/latest`),
  'npm /-/package/:name/owners': npm((name) => `/-/package/${name}/owners`),
  'npm /-/package/:name/owners/:user': npm((name) => `/-/package/${name}/owners/nobody`),
  'npm /-/user/v1/star': form('/-/user/v1/star'),
  'npm /-/tombstones/:key': npm((name) => `/-/tombstones/${name}@9.9.9`),
  'npm /:name/-/:file': npm((name, file) => `/${name}/-/${file}`),
  'npm /-/packages/:name/history': npm((name) => `/-/packages/${name}/history`),
  'npm /-/package/:name/dist-tags': npm((name) => `/-/package/${name}/dist-tags`),
  'python /legacy/': form('/legacy/'),
  'python /legacy': form('/legacy'),
  'python /simple/': plain('/simple/'),
  'python /simple': plain('/simple'),
  'python /': plain('/'),
  'python POST /simple/': form('/simple/'),
  'python POST /simple': form('/simple'),
  'python POST /': form('/'),
  'python /-/wanted': plain('/-/wanted'),
  'python /-/inventory': plain('/-/inventory'),
  'python /-/projects': plain('/-/projects'),
  'python /-/projects/:project': python((name) => `/-/projects/${name}`),
  'python /-/missing': form('/-/missing'),
  // Each wants a body that names something: what is stored stays for those that come after.
  'python /-/projects/:project/yanks': python((name) => `/-/projects/${name}/yanks`),
  'python /-/projects/:project/deletions': python((name) => `/-/projects/${name}/deletions`),
  'python /-/projects/:project/status': python((name) => `/-/projects/${name}/status`),
  'python /-/tombstones/:project/:file': python((name, file) => `/-/tombstones/${name}/${file}`),
  'python /:project/json': python((name) => `/${name}/json`),
  'python /integrity/:project/:version/:file/provenance': python(
    (name, file) => `/integrity/${name}/1.0/${file}/provenance`,
  ),
  'python /simple/:project/': python((name) => `/simple/${name}/`),
  'python /simple/:project': python((name) => `/simple/${name}`),
  'python /:project/': python((name) => `/${name}/`),
  'python /:project': python((name) => `/${name}`),
  'python /files/:project/:file': python((name, file) => `/files/${name}/${file}`),
  'python /simple/:project/:file': python((name, file) => `/simple/${name}/${file}`),
  'python /:project/:file': python((name, file) => `/${name}/${file}`),
}

/** @throws Error for a route that nobody has thought of yet */
export function fill({ ecosystem, method, path }: RouteLine, place: Place): Filled {
  const mount = path.startsWith(`/${ecosystem}/`) ? `/${ecosystem}` : ''
  const pattern = path.slice(mount.length)
  const filling = FILLINGS[`${ecosystem} ${method} ${pattern}`] ?? FILLINGS[`${ecosystem} ${pattern}`]
  if (filling === undefined) throw new Error(`say in this table what ${method} ${path} is about`)
  const filled = filling(place)
  return { ...filled, path: (spell) => mount + filled.path(spell) }
}

/** Put what is inside and outside there. @throws Error when it is refused */
export async function storeNames(world: World, authorization: string): Promise<void> {
  const headers = { Authorization: authorization }
  const send = async (method: string, path: string, body: Uint8Array | string, more = {}): Promise<void> => {
    const answer = await rawRequest(world.url, { method, path, body, headers: { ...headers, ...more } })
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.body.toString()}`)
  }
  const put = (path: string, body: Uint8Array | string): Promise<void> => send('PUT', path, body)
  for (const place of ['inside', 'outside'] as const) {
    const manifest = { name: NPM[place], version: '1.0.0' }
    await put(`/npm/${NPM[place]}`, JSON.stringify(withProvenance(manifest, await tarballOf(manifest))))
    const wheel = buildWheel({ name: PYTHON[place], version: '1.0' })
    const { contentType, body } = uploadForm(wheel, { attestations: JSON.stringify([attestation(wheel)]) })
    await send('POST', '/python/legacy/', body, { 'Content-Type': contentType })
  }
  await put(`/nix/nar/${demo.fileName}`, demo.body)
  await put(`/nix/${demo.storeHash}.narinfo`, demo.narinfo())
  const outPath = `${demo.storeHash}-demo`
  const id = sha256Hex(Buffer.from(demo.narHash))
  await put(`/nix/log/${outPath}.drv`, 'what its build printed')
  await put(`/nix/realisations/sha256:${id}!out.doi`, JSON.stringify({ id: `sha256:${id}!out`, outPath }))
  await put(`/nix/build-trace-v2/${outPath}.drv/out.doi`, JSON.stringify({ outPath }))
  const member = `lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2, 40)}.debug`
  await put(`/nix/debuginfo/${id.slice(0, 40)}`, JSON.stringify({ archive: `../nar/${demo.fileName}`, member }))
}

/** Somebody who sends requests. */
export interface Caller {
  readonly name: string
  /** The Authorization header for a request, if they have one. */
  authorization(method: string, path: string): string | undefined
}

export const NOBODY: Caller = { name: 'nobody', authorization: () => undefined }

/** Somebody with an SSH key: a login for each request. */
export function keyCaller(name: string, key: LoginKey, audience: string): Caller {
  // A login names the path alone.
  const login = (method: string, path: string): string => loginFor(key, audience, method, path.replace(/\?.*/, ''))
  return { name, authorization: (method, path) => `Bearer ${login(method, path)}` }
}

export function tokenCaller(name: string, token: string): Caller {
  return { name, authorization: () => `Basic ${Buffer.from(`somebody:${token}`).toString('base64')}` }
}

/** Have a stored token made. @throws Error when it is refused */
export async function makeToken(
  url: string,
  key: LoginKey,
  grants: readonly string[],
  more: object = {},
): Promise<string> {
  const headers = { Authorization: `Bearer ${loginFor(key, url, 'POST', '/-/tokens')}` }
  const body = JSON.stringify({ name: 'a test', grants, ...more })
  const answer = await rawRequest(url, { method: 'POST', path: '/-/tokens', headers, body })
  const text = answer.body.toString()
  if (answer.status !== 201) throw new Error(text)
  return /dpt_\w+/.exec(text)?.[0] ?? ''
}

/** Sends requests of a caller over connections that stay. */
export function sender(
  url: string,
): Disposable & ((caller: Caller, method: string, path: string) => Promise<RawResponse>) {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const send = (caller: Caller, method: string, path: string): Promise<RawResponse> => {
    const authorization = caller.authorization(method, path)
    const headers = {
      // Where the server believes it, each comes from another address: nobody is slowed down for what others guessed.
      'X-Forwarded-For': [...randomBytes(3)].reduce((text, byte) => `${text}.${byte}`, '10'),
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    }
    const body = method === 'GET' || method === 'HEAD' ? {} : { body: '{}' }
    return rawRequest(url, { method, path, headers, agent, ...body })
  }
  return Object.assign(send, { [Symbol.dispose]: () => agent.destroy() })
}
