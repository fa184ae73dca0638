import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { systemCode } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'

/** The keys of one use in a store path: `<stem>.key`, `<stem>-2.key`, …, oldest first. */
export interface KeyFiles {
  /** Those that are there. */
  list(storePath: string): Promise<readonly string[]>
  /** Where the first one goes. */
  first(storePath: string): string
  /** Where the next one goes. */
  next(storePath: string): Promise<string>
}

export function keyFiles(stem: 'signing' | 'npm-signing'): KeyFiles {
  const form = new RegExp(`^${stem}(?:-(?<number>[1-9]\\d{0,5}))?\\.key$`)
  const first = (storePath: string): string => path.join(storePath, `${stem}.key`)

  function numberOf(file: string): number | undefined {
    const match = form.exec(path.basename(file))
    return match === null ? undefined : Number(match.groups?.['number'] ?? 1)
  }

  async function list(storePath: string): Promise<readonly string[]> {
    const names = await readdir(storePath).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return []
      throw error
    })
    return names
      .filter((name) => numberOf(name) !== undefined)
      .sort((one, other) => (numberOf(one) ?? 0) - (numberOf(other) ?? 0))
      .map((name) => path.join(storePath, name))
  }

  return {
    list,
    first,
    async next(storePath) {
      const last = Math.max(0, ...(await list(storePath)).map((file) => numberOf(file) ?? 0))
      return last === 0 ? first(storePath) : path.join(storePath, `${stem}-${last + 1}.key`)
    },
  }
}

/** The text of a key's file. @throws UsageError with `hint` when it is not there or cannot be read */
export async function readKeyText(file: string, hint: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === undefined) throw error
    const state = systemCode(error) === 'ENOENT' ? 'is not there' : 'cannot be read'
    throw new UsageError(`the key ${file} ${state} (${hint})`)
  })
}

/** Put a secret key into a new file, whole or not at all, for its owner alone. False when there is a file already: it stays. */
export async function writeKeyFile(file: string, secret: string): Promise<boolean> {
  await mkdir(path.dirname(file), { recursive: true })
  const partial = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await using handle = await open(partial, 'wx', 0o600)
    await handle.writeFile(`${secret.trimEnd()}\n`)
    await handle.sync()
    await link(partial, file)
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return false
  } finally {
    await rm(partial, { force: true })
  }
}
