import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import path from 'node:path'

import { generateSecretKey, parseSecretKey, type SigningKey } from '../protocols/nix/signing.ts'
import { DepotError } from '../src/errors.ts'

/**
 * The server's own key, made at the first start. Two servers that start at once on one folder end up with the same key: the file is
 * created exclusively, and the loser reads the winner's.
 *
 * @throws DepotError when the file is not a Nix secret key.
 */
export async function loadSigningKey(file: string): Promise<SigningKey> {
  const text = (await readIfThere(file)) ?? (await createKey(file))
  try {
    return parseSecretKey(text)
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', `${file} is not a Nix secret key (make one: nix key generate-secret)`, {
      cause,
    })
  }
}

async function createKey(file: string): Promise<string> {
  await mkdir(path.dirname(file), { recursive: true })
  const text = generateSecretKey(`depot-${randomBytes(4).toString('hex')}-1`)
  try {
    await using handle = await open(file, 'wx', 0o600)
    await handle.writeFile(`${text}\n`)
    await handle.sync()
    return text
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
    return readFile(file, 'utf8')
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
