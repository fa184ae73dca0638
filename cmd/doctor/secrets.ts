import { stat } from 'node:fs/promises'

import { parseAuthFile } from '../../auth/auth-file.ts'
import { readBounded } from '../../auth/read-bounded.ts'
import { ECOSYSTEMS } from '../../protocols/index.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf, systemCode } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import type { ServeConfig } from '../settings/config.ts'
import { readForeignKeys, readNpmKeys } from '../signing/npm-keys.ts'
import { readSigningKeys } from '../signing/nix-keys.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'
import { shellWord } from './shell-word.ts'

/** The keys that sign: whether they are good, and for their owner alone. */
export async function checkKeys(config: ServeConfig): Promise<readonly Finding[]> {
  try {
    const stored = [...(await readSigningKeys(config)), ...(await readNpmKeys(config))]
    await readForeignKeys(config.npmKeyFiles)
    const open = await Promise.all(stored.map(({ file }) => openToOthers(file)))
    const faults = open.filter((finding) => finding !== undefined)
    if (faults.length > 0) return faults
    return [
      ok(
        stored.length === 0
          ? 'none yet: the first start makes them'
          : `${stored.length} that only their owner can read`,
      ),
    ]
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return [fail(error.message, 'bring that file back from a backup, or move it away: clients then trust the new key')]
  }
}

async function openToOthers(file: string): Promise<Finding | undefined> {
  const { mode } = await stat(file)
  if ((mode & 0o077) === 0) return undefined
  const octal = (mode & 0o777).toString(8)
  return fail(`others may read the secret key ${file} (mode ${octal})`, `chmod 600 ${shellWord(file)}`)
}

/** The SSH keys that may come in. */
export async function checkAuthFile({ authFile }: ServeConfig): Promise<readonly Finding[]> {
  if (authFile === undefined) return [skip('none: nobody is asked for a key')]
  const file = shellWord(authFile)
  try {
    const { bytes, mode } = await readBounded(authFile, LIMITS.authFileBytesMax)
    const content = parseAuthFile(bytes.toString('utf8'), { ecosystems: ECOSYSTEMS, now: Date.now() })
    const live = [...content.keys.values()].filter(({ expiresAt }) => (expiresAt ?? Infinity) > Date.now())
    const writers = live.filter(({ permission }) => permission === 'w')
    const faults = [
      ...content.warnings.map((sentence) => warn(`${authFile}: ${sentence}`, editAt(sentence, file))),
      ...((mode & 0o022) === 0
        ? []
        : [fail(`others may write to ${authFile}, and so let themselves in`, `chmod go-w ${file}`)]),
      ...(writers.length > 0 ? [] : [nobody(authFile, live.length)]),
    ]
    return faults.length > 0 ? faults : [ok(`${live.length} keys in ${authFile}, ${writers.length} of them may write`)]
  } catch (error) {
    return [unusable(authFile, error)]
  }
}

function nobody(authFile: string, readers: number): Finding {
  const line = `echo "w $(cat ~/.ssh/id_ed25519.pub)" >> ${shellWord(authFile)}`
  return readers === 0
    ? fail(`${authFile} has no key that is good: nobody may do anything`, line)
    : warn(`${authFile} has no key that may write`, line)
}

function unusable(authFile: string, error: unknown): Finding {
  const file = shellWord(authFile)
  if (systemCode(error) === 'ENOENT')
    return fail(`${authFile} is not there: nobody may do anything`, `echo "w $(cat ~/.ssh/id_ed25519.pub)" > ${file}`)
  if (systemCode(error) === 'EACCES')
    return fail(`${authFile} may not be read`, `chown "$(id -un)" ${file} && chmod 600 ${file}`)
  if (error instanceof DepotError) return fail(`${authFile}: ${error.message}`, editAt(error.message, file))
  return fail(`${authFile} cannot be read: ${messageOf(error)}`, `ls -l ${file}`)
}

/** An editor at the line that a sentence names first. */
function editAt(sentence: string, file: string): string {
  const line = /\bline (?<number>\d+)/.exec(sentence)?.groups?.['number']
  return `\${EDITOR:-vi} ${line === undefined ? '' : `+${line} `}${file}`
}
