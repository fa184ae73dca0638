import { createLog } from '../src/node/log.ts'
import { systemCode } from '../src/thrown.ts'
import { UsageError, type Command } from './cli.ts'
import type { ServeConfig } from './settings/config.ts'
import { serveConfig } from './settings/parse-config.ts'
import { SERVE_SETTINGS } from './settings/serve.ts'
import { isOn } from './flags.ts'
import { CONFIG_ARGS, loadSettings, settingArgs, SETTINGS_NOTE } from './settings/load.ts'
import type { Environment } from './environment.ts'

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
      if (isOn(flags, 'check-config')) return check(config, 'the configuration')
      if (isOn(flags, 'print-routes')) {
        const { routeTable } = await import('./serve/print-routes.ts')
        process.stdout.write(await routeTable(config))
        return 0
      }
      if (config.mode === 'check-config') return check(config, 'what it names')
      if (config.mode === 'db-migrations') {
        const { migrate } = await import('./migrate.ts')
        await migrate(config)
        return 0
      }
      return serve(config)
    },
  }
}

async function check(config: ServeConfig, what: string): Promise<number> {
  const { checkConfig, checkStorage } = await import('./serve/check-config.ts')
  await checkConfig(config)
  if (config.mode === 'check-config') for (const line of await checkStorage(config)) process.stdout.write(`${line}\n`)
  process.stdout.write(`${what} is fine\n`)
  return 0
}

async function serve(config: ServeConfig): Promise<number> {
  const log = createLog({ verbose: config.verbose })
  process.once('exit', () => log.flush())
  if (!config.loopback && config.authFile === undefined) {
    process.stderr.write(
      'depot: WARNING: open to everyone who can reach it (--insecure-open): no credentials are asked for\n',
    )
  }
  const warn = (message: string): void => void process.stderr.write(`depot: ${message}\n`)
  try {
    if (config.workers === 1) {
      const { serveAlone } = await import('./serve/alone.ts')
      return await serveAlone(config, { log, warn })
    }
    const { serveWithWorkers } = await import('./serve/workers/serve-workers.ts')
    return await serveWithWorkers(config, { log, warn })
  } catch (error) {
    throw startFailure(error, config)
  }
}

function startFailure(error: unknown, { host, port }: ServeConfig): unknown {
  const code = systemCode(error)
  const where = `${host ?? '*'}:${port}`
  if (code === 'EADDRINUSE') return new UsageError(`${where} is taken; choose another with --listen-addr`)
  if (code === 'EACCES') return new UsageError(`may not listen on ${where}: ports below 1024 need privileges`)
  return error
}
