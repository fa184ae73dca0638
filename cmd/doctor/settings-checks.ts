import { variableOf, unknownVariables } from '../settings/settings.ts'
import type { ServeConfig } from '../settings/config.ts'
import { SERVE_SETTINGS } from '../settings/serve.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import type { ServerContext } from './server-context.ts'
import { shellWord } from './shell-word.ts'

/** Which file counts, and whether a server would start with it. */
export async function checkConfig({ config, file, ignored }: ServerContext): Promise<readonly Finding[]> {
  const chosen = file === undefined ? 'no configuration file: flags, variables and defaults' : `read from ${file}`
  if (typeof config === 'string') return [fail(config, 'depot serve --check-config')]
  const others = ignored.map((other) =>
    warn(`${other} is there too, and nobody reads it`, `rm ${shellWord(other)}   (or name it: --config)`),
  )
  return [ok(chosen), ...others]
}

/** Variables that look like settings and are none. */
export async function checkVariables({ env }: ServerContext): Promise<readonly Finding[]> {
  const strange = unknownVariables(SERVE_SETTINGS, env)
  const set = Object.keys(SERVE_SETTINGS)
    .map(variableOf)
    .filter((name) => (env[name] ?? '') !== '')
  if (strange.length === 0) return [ok(set.length === 0 ? 'no setting is one' : `settings: ${set.join(', ')}`)]
  return strange.map((sentence) => warn(sentence, `unset ${/DEPOT_\w*/.exec(sentence)?.[0] ?? ''}`))
}

/** Who may come in. */
export async function checkAccess(config: ServeConfig): Promise<readonly Finding[]> {
  const where = `${config.host ?? 'every address'}:${config.port}`
  if (config.authFile !== undefined) return [ok(`${where}, by the keys of ${config.authFile}`)]
  if (config.loopback) return [ok(`everyone on this machine, at ${where}`)]
  return [
    warn(
      `everyone who can reach ${where} may read and write (--insecure-open)`,
      `give --auth-file instead: echo "w $(cat ~/.ssh/id_ed25519.pub)" > auth.keys; depot serve --auth-file auth.keys`,
    ),
  ]
}
