import { cp } from 'node:fs/promises'
import path from 'node:path'

import { have } from './have.ts'
import { addressedExpression, nixClient, type NixClient } from './nix-client.ts'
import { npmClient, npmrcLine, publishFrom } from './npm-client.ts'
import { pythonClient } from './python-client.ts'
import type { TwoServers } from './two-servers.ts'
import { buildWheel } from './wheel.ts'

/** Bring something of a new name into a depot, and get it back. @throws Error when any of it fails */
export type Round = (id: string) => Promise<void>

/** What real clients do with servers that come and go. */
export interface ClientRounds extends AsyncDisposable {
  readonly client: NixClient
  readonly nix: Round
  readonly npm: Round
  readonly pip: Round
  /** Get again, from nothing, what such a round has brought in. */
  readonly again: Readonly<Record<'nix' | 'npm' | 'pip', Round>>
  /** Bare requests without a pause, over connections that are kept; none of them is tried again. */
  readonly plain: Round
}

/** @param isPatient whether clients try again as they do by themselves, or once only */
export async function clientRounds(servers: TwoServers, isPatient: boolean): Promise<ClientRounds> {
  await using opening = new AsyncDisposableStack()
  const client = opening.use(await nixClient(servers.publicKey))
  await cp(servers.certificate, client.certificates)
  const registry = `${servers.url}/npm/`
  const token = npmrcLine(registry, '_authToken', 'anything')
  const npm = opening.use(await npmClient('npm', registry, [token, `cafile=${servers.certificate}`]))
  const python = opening.use(await pythonClient())
  const attempts = isPatient ? [] : ['--option', 'download-attempts', '1']
  const retries = isPatient ? ['--fetch-retries=5', '--fetch-retry-mintimeout=500'] : []

  async function putWheel(name: string): Promise<string> {
    const { filename, bytes } = buildWheel({ name, version: '1.0' })
    const { status } = await servers.ask('PUT', `/python/${name}/${filename}`, Buffer.from(bytes))
    if (status !== 201) throw new Error(`PUT of ${filename}: ${status}`)
    return filename
  }

  let gets = 0
  const stores = new Map<string, string>()
  const again: ClientRounds['again'] = {
    async nix(id) {
      const target = path.join(client.root, '..', `pulled-${++gets}`)
      await client.run('copy', '--from', `${servers.url}/nix`, '--to', target, ...attempts, stores.get(id) ?? '')
    },
    async npm(id) {
      const dependencies = { [`rolled-${id}`]: '1.0.0' }
      const app = await npm.folder(`app-${++gets}`, { name: 'app', version: '0.0.0', dependencies })
      await npm.run(app, 'install', ...retries, `--cache=${path.join(app, 'cache')}`)
    },
    async pip(id) {
      const once = isPatient ? {} : { PIP_RETRIES: '0' }
      const env = { PIP_INDEX_URL: `${servers.url}/python/simple/`, PIP_CERT: servers.certificate, ...once }
      const args = ['install', '--no-cache-dir', '--target', python.join(`pip-${++gets}`), `rolled-${id}`]
      await python.ok(have.paths.pip, args, env)
    },
  }

  const opened = opening.move()
  return {
    client,
    again,
    async nix(id) {
      const [store = ''] = await client.build(addressedExpression(id))
      await client.run('copy', '--from', client.root, '--to', `${servers.url}/nix`, ...attempts, store)
      stores.set(id, store)
      await again.nix(id)
    },
    async npm(id) {
      await publishFrom(npm, { name: `rolled-${id}`, version: '1.0.0' }, ...retries)
      await again.npm(id)
    },
    async pip(id) {
      await putWheel(`rolled-${id}`)
      await again.pip(id)
    },
    async plain(id) {
      const name = `plain-${id}`
      const filename = await putWheel(name)
      for (const at of [`/python/files/${name}/${filename}`, `/python/simple/${name}/`, '/nix/nix-cache-info']) {
        const { status } = await servers.ask('GET', at)
        if (status !== 200) throw new Error(`GET of ${at}: ${status}`)
      }
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Go on with rounds until told to stop, twice at least; what fails is thrown, and how many there were returned. */
export async function goOn(name: string, round: Round, stop: AbortSignal): Promise<number> {
  let count = 0
  while (!stop.aborted || count < 2) await round(`${name}-${++count}`)
  return count
}
