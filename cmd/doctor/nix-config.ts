import { z } from 'zod'

import { runProgram, type ProgramPlace } from './run-program.ts'

/** What Nix itself says that it goes by. */
export interface NixConfig {
  readonly version: string
  readonly substituters: readonly string[]
  readonly trustedKeys: readonly string[]
  readonly trustedUsers: readonly string[]
  readonly trustedSubstituters: readonly string[]
  readonly netrcFile: string
  /** Newer ones have a setting for it. */
  readonly sslCertFile: string | undefined
}

/** Ask Nix, which knows all its files and variables. Undefined where there is none. @throws DepotError when it does not answer */
export async function readNixConfig(place: ProgramPlace): Promise<NixConfig | undefined> {
  const said = await runProgram('nix', ['--version'], place)
  if (said === undefined) return undefined
  const version = /\d+\.\d+\S*/.exec(said)?.[0] ?? ''
  const command = isBefore(version, SHOW_CONFIG_UNTIL) ? ['show-config'] : ['config', 'show']
  const json = await runProgram('nix', [...command, '--json', '--extra-experimental-features', 'nix-command'], place)
  return parseNixConfig(version, json ?? '')
}

/** From there on it is `nix config show`. */
const SHOW_CONFIG_UNTIL = [2, 20] as const

function isBefore(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ours = 0, second = 0] = version.split('.').map(Number)
  return ours < major || (ours === major && second < minor)
}

const WORDS = z.object({ value: z.array(z.string()) }).transform(({ value }) => value)
const NONE = { value: [] }
const SETTINGS = z.object({
  substituters: WORDS,
  'trusted-public-keys': WORDS,
  'trusted-users': WORDS.default([]),
  'trusted-substituters': z.object({ value: z.array(z.string()) }).default(NONE),
  'netrc-file': z.object({ value: z.string() }),
  'ssl-cert-file': z.object({ value: z.string().nullable() }).optional(),
})

/** Pure. @throws Error for what Nix never says */
export function parseNixConfig(version: string, json: string): NixConfig {
  const settings = SETTINGS.parse(JSON.parse(json))
  return {
    version,
    substituters: settings.substituters,
    trustedKeys: settings['trusted-public-keys'],
    trustedUsers: settings['trusted-users'],
    trustedSubstituters: settings['trusted-substituters'].value,
    netrcFile: settings['netrc-file'].value,
    sslCertFile: settings['ssl-cert-file']?.value || undefined,
  }
}
