import { openAuthFile } from '../auth/watch-auth-file.ts'
import { ECOSYSTEMS } from '../protocols/index.ts'
import { SILENT_EVENTS } from '../src/events.ts'
import { createLog } from '../src/node/log.ts'
import { systemCode } from '../src/thrown.ts'
import { boot, openLocalStore, openNpmAdvisories, type BootedDepot } from './boot.ts'
import { UsageError, type Command } from './cli.ts'
import { clientLines } from './client-lines.ts'
import { SERVE_SETTINGS, serveConfig, type ServeConfig } from './config.ts'
import { isOn } from './flags.ts'
import { CONFIG_ARGS, loadSettings, settingArgs, SETTINGS_NOTE } from './load-settings.ts'
import { routeTable } from './print-routes.ts'
import type { Environment } from './settings.ts'
import { readForeignKeys, readNpmKeys } from './npm-signing-keys.ts'
import { readSigningKeys } from './signing-keys.ts'
import { stopSignal } from './stop-signal.ts'

/** `depot serve`: the server, until it is told to stop. */
export function serveCommand(env: Environment): Command {
  return {
    name: 'serve',
    description:
      'Serve Nix, npm and Python clients from one store. Without any option: on loopback, open, data in your home.',
    args: {
      ...settingArgs(SERVE_SETTINGS),
      ...CONFIG_ARGS,
      'print-routes': { type: 'boolean', description: 'Print every route and who may use it, and exit' },
      'check-config': { type: 'boolean', description: 'Check the configuration, print what is wrong, and exit' },
    },
    notes: SETTINGS_NOTE,
    examples: [
      'depot serve',
      'depot serve --auth-file auth.keys',
      'depot serve --listen-addr 127.0.0.1:9000 --store-path /srv/depot',
      'depot serve --database-url postgres://depot@db/depot --public-url https://depot.example.org',
    ],
    async run({ flags }) {
      const { values, warnings, home } = loadSettings(SERVE_SETTINGS, flags, env)
      for (const warning of warnings) process.stderr.write(`depot: ${warning}\n`)
      const config = serveConfig(values, env, home)
      if (isOn(flags, 'check-config')) {
        // A key that would be made at the start is no mistake, and a check makes nothing.
        await readSigningKeys(config)
        await readNpmKeys(config.storePath)
        await readForeignKeys(config.npmKeyFiles)
        await using _advisories = await openNpmAdvisories(config, SILENT_EVENTS)
        if (config.authFile !== undefined) await checkAuthFile(config.authFile)
        await using _localStore = await openLocalStore(config)
        process.stdout.write('the configuration is fine\n')
        return 0
      }
      if (isOn(flags, 'print-routes')) {
        process.stdout.write(await routeTable(config))
        return 0
      }
      return serve(config)
    },
  }
}

async function serve(config: ServeConfig): Promise<number> {
  const log = createLog({ verbose: config.verbose })
  process.once('exit', () => log.flush())
  if (!config.loopback && config.authFile === undefined) {
    process.stderr.write(
      'depot: WARNING: open to everyone who can reach it (--insecure-open): no credentials are asked for\n',
    )
  }
  const stopped = stopSignal()
  const warn = (message: string): void => void process.stderr.write(`depot: ${message}\n`)
  const booted = await boot({ config, events: log.events, accessLog: log.access, warn }).catch((error: unknown) => {
    throw startFailure(error, config)
  })
  // Without an auth file there is nothing to read again, and the signal says that the terminal was closed.
  if (config.authFile !== undefined) process.on('SIGHUP', () => void booted.auth.reload())
  process.stdout.write(greeting(booted, config))
  await stopped.first
  process.stderr.write('depot: stopping; running requests may finish (again to stop at once)\n')
  await Promise.race([booted.drain(), stopped.second.then(() => booted.server.abort())])
  return 0
}

function startFailure(error: unknown, { host, port }: ServeConfig): unknown {
  const code = systemCode(error)
  const where = `${host ?? '*'}:${port}`
  if (code === 'EADDRINUSE') return new UsageError(`${where} is taken; choose another with --listen-addr`)
  if (code === 'EACCES') return new UsageError(`may not listen on ${where}: ports below 1024 need privileges`)
  return error
}

/** @throws DepotError naming the lines of an auth file that are wrong */
async function checkAuthFile(file: string): Promise<void> {
  await using checked = await openAuthFile({
    file,
    ecosystems: ECOSYSTEMS,
    events: SILENT_EVENTS,
    warn: (message) => void process.stderr.write(`depot: ${message}\n`),
  })
  process.stdout.write(`${checked.current().keys.size} keys in ${file}\n`)
}

/** What a newcomer pastes next. */
function greeting(booted: BootedDepot, { publicUrl, storePath, authFile }: ServeConfig): string {
  const base = publicUrl ?? booted.url
  const lines =
    authFile === undefined ? clientLines(base, booted.publicKeys) : loginLines(base, booted.auth.readsAreOpen())
  return `depot serves ${base}   (data in ${storePath})\n\n${lines.map((line) => `  ${line}\n`).join('')}\n`
}

function loginLines(base: string, readsAreOpen: boolean): readonly string[] {
  return [
    readsAreOpen
      ? 'Everyone may read; writing needs a key of the auth file.'
      : 'Everything needs a key of the auth file.',
    '',
    `depot login ${base}      try your SSH keys`,
    'depot use                 tell nix, npm, pip and uv on your machine where to install from',
    'depot proxy               or lend plain clients your SSH key while it runs',
    'depot token create        or make a token for CI',
  ]
}
