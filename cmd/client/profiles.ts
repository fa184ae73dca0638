import path from 'node:path'

import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { EDIT } from '../config-files/edits.ts'
import { configHome, type Environment } from '../environment.ts'
import { asBytes, asText, editUserFile, readUserFile } from '../user-file.ts'

const TOKEN = z.object({
  id: z.string(),
  /** The files that it stands in. */
  files: z.array(z.string()),
})

const DEPOT = z.object({
  /** Path or fingerprint of the key that worked; none for a depot that asks for no credentials. */
  identity: z.string().optional(),
  /** Tokens that `depot use` made. Their secrets stand in those files only. */
  tokens: z.array(TOKEN).optional(),
  /** What `depot use` wrote there. */
  edits: z.array(EDIT).optional(),
})

const PROFILES = z.object({
  /** URL of the depot that commands without one are about. */
  current: z.string().optional(),
  depots: z.record(z.string(), DEPOT),
})

export type DepotProfile = z.infer<typeof DEPOT>
export type Profiles = z.infer<typeof PROFILES>

/** Which depots this user knows, and by which key: `depot/profiles.json` beside other programs' configuration. No secrets. */
export async function readProfiles(env: Environment): Promise<Profiles> {
  const file = profilesFile(env)
  return parse(file, (await readUserFile(file)) ?? '')
}

/** Change the profiles under their lock. @throws DepotError naming the file, when it is broken or cannot be written. */
export async function changeProfiles(env: Environment, change: (profiles: Profiles) => Profiles): Promise<void> {
  const file = profilesFile(env)
  const edit = (text: string): string => asBytes(`${JSON.stringify(change(parse(file, text)), undefined, 2)}\n`)
  await editUserFile(file, edit, { secret: true })
}

/** The profiles with one depot's changed; undefined forgets it. */
export function withDepot(
  profiles: Profiles,
  url: string,
  change: (profile: DepotProfile) => DepotProfile | undefined,
): Profiles {
  const others = Object.entries(profiles.depots).filter(([known]) => known !== url)
  const changed = change((Object.hasOwn(profiles.depots, url) ? profiles.depots[url] : undefined) ?? {})
  const depots = Object.fromEntries(changed === undefined ? others : [...others, [url, changed]])
  return { ...profiles, depots }
}

function profilesFile(env: Environment): string {
  return path.join(configHome(env), 'depot', 'profiles.json')
}

function parse(file: string, text: string): Profiles {
  if (text === '') return { depots: {} }
  try {
    return PROFILES.parse(JSON.parse(asText(text)))
  } catch (error) {
    const cause = error instanceof z.ZodError ? new Error(z.prettifyError(error)) : error
    throw new DepotError('BAD_REQUEST', `${file} is broken: mend it, or remove it and log in again`, { cause })
  }
}
