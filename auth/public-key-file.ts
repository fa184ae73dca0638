import { DepotError } from '../src/errors.ts'
import { LIMITS } from '../src/limits.ts'
import { systemCode } from '../src/thrown.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'
import { readBounded } from './read-bounded.ts'

/**
 * Read a public key as ssh-keygen leaves it beside the private one: `<type> <base64> [comment]`.
 *
 * @throws DepotError `NOT_FOUND` when it cannot be read, `INVALID_NAME` when it is no public key of a type for logins.
 */
export async function readPublicKeyFile(file: string): Promise<PublicKey> {
  const [type = '', base64 = ''] = (await readText(file)).trim().split(/\s+/, 2)
  try {
    return parsePublicKey(type, base64)
  } catch (error) {
    if (error instanceof DepotError) throw new DepotError(error.code, `${file}: ${error.message}`, { cause: error })
    throw error
  }
}

async function readText(file: string): Promise<string> {
  try {
    return (await readBounded(file, LIMITS.sshKeyBytesMax)).bytes.toString('utf8')
  } catch (error) {
    if (systemCode(error) === undefined) throw new DepotError('INVALID_NAME', `${file} is not an SSH public key`)
    throw new DepotError('NOT_FOUND', `${file} cannot be read`, { cause: error })
  }
}
