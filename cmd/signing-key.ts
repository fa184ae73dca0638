import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { generateSecretKey, parseSecretKey, type SigningKey } from '../protocols/nix/signing.ts'
import { systemCode } from '../src/thrown.ts'
import { UsageError } from './cli.ts'
import type { ServeConfig } from './config.ts'

/**
 * The server's own key; at the depot's own place it is made at the first start. A file that somebody named must be there: a slip of
 * the finger would otherwise sign with a key that no client trusts.
 *
 * @throws UsageError when the file is not there or not a Nix secret key; the message does not repeat it.
 */
export async function loadSigningKey({ privateKey }: Pick<ServeConfig, 'privateKey'>): Promise<SigningKey> {
  const { file, mayCreate } = privateKey
  const text = (await readIfThere(file)) ?? (mayCreate ? await createKey(file) : undefined)
  if (text === undefined)
    throw new UsageError(`--private-key: ${file} is not there (make one: nix key generate-secret)`)
  try {
    return parseSecretKey(text)
  } catch {
    throw new UsageError(`--private-key: ${file} is not a Nix secret key (make one: nix key generate-secret)`)
  }
}

/** Two servers that start at once on one folder end up with one key: it appears whole and once, and the loser reads the winner's. */
async function createKey(file: string): Promise<string> {
  await mkdir(path.dirname(file), { recursive: true })
  const text = generateSecretKey(`depot-${randomBytes(4).toString('hex')}-1`)
  const partial = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await using handle = await open(partial, 'wx', 0o600)
    await handle.writeFile(`${text}\n`)
    await handle.sync()
    await link(partial, file)
    return text
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return await readFile(file, 'utf8')
  } finally {
    await rm(partial, { force: true })
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
