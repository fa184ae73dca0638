import { mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { have } from './have.ts'
import type { NixClient } from './nix-client.ts'
import { runDepot, type Finished } from './run-depot.ts'

/** Run `depot nix save` with the Nix of a client, on its store and with its settings. */
export async function nixSave(
  part: 'nix' | 'nixNew',
  client: NixClient,
  ...args: readonly string[]
): Promise<Finished> {
  return runDepot(['nix', 'save', '--nix-store', client.root, ...args], await environmentOf(part, client))
}

/** What makes its Nix the first one, and has it read its settings. */
export async function environmentOf(part: 'nix' | 'nixNew', client: NixClient): Promise<Record<string, string>> {
  const home = path.dirname(client.root)
  const programs = path.join(home, 'programs')
  await mkdir(programs, { recursive: true })
  await symlink(have.paths[part], path.join(programs, 'nix')).catch(() => undefined)
  return {
    NIX_CONF_DIR: path.join(home, 'conf'),
    PATH: `${programs}${path.delimiter}${process.env['PATH'] ?? ''}`,
  }
}
