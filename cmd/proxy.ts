import { startForwardProxy } from '../src/node/forward-proxy.ts'
import type { LocalAddress } from '../src/node/proxy-listen.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from './cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, URL_ARG, type OpenedDepot } from './client/client.ts'
import { clientLines } from './client-lines.ts'
import { nixPublicKeys } from './client/depot-api.ts'
import { depotKey, isInClear } from './client/depot-url.ts'
import { lastOf } from './flags.ts'
import type { Environment } from './environment.ts'
import { stopSignal } from './stop-signal.ts'

/** Where clients are told to look, so that their settings stay good from one start to the next. */
const PORT_DEFAULT = 43_407

/** `depot proxy`: a depot on loopback, with its user's credentials on every request, until it is told to stop. */
export function proxyCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'proxy',
    description: 'Lend your SSH key to nix, npm, pip and others on this machine: a depot on loopback, while this runs.',
    args: {
      url: URL_ARG,
      ...CLIENT_ARGS,
      port: {
        type: 'string',
        description: `Port on 127.0.0.1, 0 for any free one (default ${PORT_DEFAULT})`,
        valueHint: 'PORT',
      },
      listen: { type: 'string', description: 'Listen on a unix socket instead of a port', valueHint: 'unix:PATH' },
    },
    notes:
      `${CREDENTIALS_NOTE}\n\nEvery user of this machine can reach a port. Where there are others, use --listen unix:PATH: that socket is\n` +
      'yours alone.',
    examples: [
      'depot proxy',
      'depot proxy https://depot.example.org --port 0',
      'depot proxy --listen unix:/run/user/1000/depot.sock',
    ],
    async run({ flags, positionals }) {
      const listen = listenAt(flags)
      const opened = await openDepot({ url: positionals[0], flags, env, io })
      if (isInClear(opened.url)) io.err('depot: WARNING: this is plain http: whoever listens on the way can read along')
      return forward(opened, listen, io)
    },
  }
}

async function forward(opened: OpenedDepot, listen: LocalAddress, io: CliIo): Promise<number> {
  const { url, credentials, who } = opened
  const stopped = stopSignal()
  const failed = (sentence: string): void => io.err(sentence)
  await using proxy = await startForwardProxy({ target: url, credentials, listen, failed })
  io.out(`depot proxy forwards ${proxy.url} to ${depotKey(url)} as ${who}\n`)
  const lines = 'path' in listen ? socketLines(listen.path) : clientLines(proxy.url, await nixPublicKeys(opened))
  for (const line of lines) io.out(`  ${line}`)
  io.out('')
  await stopped.first
  io.err('depot: stopping; running requests may finish (again to stop at once)')
  await Promise.race([proxy.close(), stopped.second.then(() => proxy.abort())])
  return 0
}

/** @throws UsageError */
function listenAt(flags: ParsedArgs['flags']): LocalAddress {
  const [port, listen] = [lastOf(flags, 'port'), lastOf(flags, 'listen')]
  if (listen === undefined) return { host: '127.0.0.1', port: portOf(port ?? String(PORT_DEFAULT)) }
  if (port !== undefined) throw new UsageError('--port and --listen are two ways to say where; give one')
  const path = /^unix:(?<path>.+)$/.exec(listen)?.groups?.['path']
  if (path === undefined) {
    throw new UsageError('--listen takes unix:PATH: the proxy has your rights, and never listens beyond this machine')
  }
  return { path }
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN
  if (!(port <= 65_535)) throw new UsageError(`--port takes a number from 0 to 65535, not '${text}'`)
  return port
}

function socketLines(path: string): readonly string[] {
  return [`curl --unix-socket '${path}' http://depot/nix/nix-cache-info`]
}
