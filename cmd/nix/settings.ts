import path from 'node:path'

import { parsePublicKey, type VerifyingKey } from '../../protocols/nix/signing.ts'
import { basicAuthorization } from '../../src/client/basic.ts'
import { UsageError } from '../cli.ts'
import { netrcLogin } from '../config-files/netrc.ts'
import { nixIncludes, nixList, nixValue } from '../config-files/nix-conf.ts'
import { configHome, homeOf, type Environment } from '../environment.ts'
import { asText, readUserFile } from '../user-file.ts'

/** What the Nix of this user is set to, as far as it concerns caches. */
export interface NixSettings {
  /** @throws UsageError for one that is no key */
  trustedKeys(): readonly VerifyingKey[]
  /** The Authorization header for an address, by the netrc files that Nix and curl read. */
  authorization(url: URL): string | undefined
}

/**
 * Read nix.conf, as Nix does, and netrc files: those of the machine first, then the user's, then `NIX_CONFIG`.
 *
 * @throws DepotError naming a file that cannot be read
 */
export async function readNixSettings(env: Environment): Promise<NixSettings> {
  const folder = env['NIX_CONF_DIR'] || '/etc/nix'
  const own = (env['NIX_USER_CONF_FILES'] ?? path.join(configHome(env), 'nix', 'nix.conf')).split(':')
  // The first of the user's counts most, so that it is read last.
  const files = [path.join(folder, 'nix.conf'), ...own.filter((file) => file !== '').toReversed()]
  const texts: string[] = []
  for (const file of files) texts.push(...(await withIncludes(file)))
  texts.push(env['NIX_CONFIG'] ?? '')
  const netrcFile = texts.map((text) => nixValue(text, 'netrc-file')).findLast((value) => value !== undefined)
  const netrcs = [netrcFile ?? path.join(folder, 'netrc'), env['NETRC'] || path.join(homeOf(env), '.netrc')]
  const logins = await Promise.all(netrcs.map(textOf))
  return {
    trustedKeys: () => nixList(texts, 'trusted-public-keys', [NIXOS_KEY]).map(trustedKey),
    authorization(url) {
      const found = logins.map((text) => netrcLogin(text, url.hostname)).find((login) => login !== undefined)
      return found && basicAuthorization(found.login, found.password)
    },
  }
}

/** What Nix trusts without being told (nix: libstore/globals.hh). */
const NIXOS_KEY = 'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='

/** A key as `trusted-public-keys` has it. @throws UsageError */
export function trustedKey(text: string): VerifyingKey {
  try {
    return parsePublicKey(text)
  } catch (error) {
    throw new UsageError(`'${text.slice(0, 200)}' is no public key of a cache: it is name:base64`, { cause: error })
  }
}

/** A file and what it includes, in the order in which it counts. */
async function withIncludes(file: string, depth = 0): Promise<readonly string[]> {
  const text = await textOf(file)
  const included: string[] = []
  if (depth < INCLUDES_MAX)
    for (const name of nixIncludes(text))
      included.push(...(await withIncludes(path.resolve(path.dirname(file), name), depth + 1)))
  return [text, ...included]
}

const INCLUDES_MAX = 5

async function textOf(file: string): Promise<string> {
  return asText((await readUserFile(file)) ?? '')
}
