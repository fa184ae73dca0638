import { stat } from 'node:fs/promises'
import path from 'node:path'

import { homeOf } from '../environment.ts'
import { netrcFile } from '../use/edits.ts'
import { readUserFile } from '../user-file.ts'
import type { ClientContext } from './client-context.ts'
import { ok, warn, type Finding } from './finding.ts'
import { shellWord } from './shell-word.ts'

/** Files of this user that may hold tokens: whether others can read them, and what a killed edit has left beside them. */
export async function checkTokenFiles({ env }: ClientContext): Promise<readonly Finding[]> {
  const home = homeOf(env)
  const files = new Set([
    netrcFile(env),
    path.join(home, '.npmrc'),
    path.join(home, '.pypirc'),
    path.join(home, '.yarnrc.yml'),
  ])
  const found = await Promise.all(
    [...files].map(async (file) => [...(await judgeMode(file)), ...(await judgeLock(file))]),
  )
  const faults = found.flat()
  return faults.length > 0 ? faults : [ok('nobody else can read them')]
}

async function judgeMode(file: string): Promise<readonly Finding[]> {
  const mode = (await stat(file).catch(() => undefined))?.mode ?? 0
  if ((mode & 0o077) === 0) return []
  const text = (await readUserFile(file).catch(() => undefined)) ?? ''
  if (!/_authToken|_auth\b|_password|password|AuthToken/.test(text)) return []
  return [
    warn(
      `others can read ${file}, and the credentials in it (mode ${(mode & 0o777).toString(8)})`,
      `chmod 600 ${shellWord(file)}`,
    ),
  ]
}

/** `depot use` waits for whoever holds the lock, and takes it from nobody. */
async function judgeLock(file: string): Promise<readonly Finding[]> {
  const lock = `${file}.lock`
  const since = (await stat(lock).catch(() => undefined))?.mtimeMs ?? Date.now()
  return Date.now() - since < FRESH_MS
    ? []
    : [warn(`${lock} is left of an edit that was stopped: depot use and login wait for it`, `rm ${shellWord(lock)}`)]
}

const FRESH_MS = 60_000
