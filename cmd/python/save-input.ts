import { createReadStream } from 'node:fs'
import process from 'node:process'

import { lockKindOf, readLock, type ReadLock } from '../../protocols/python/locks/read-lock.ts'
import { readRequirements } from '../../protocols/python/locks/requirements.ts'
import { parseRequirement } from '../../protocols/python/locks/requirement.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import { boundedText, isFile } from '../transfer/input-files.ts'

export interface PythonInputOptions {
  /** Requirements, and files that are called as locks and lists of requirements are. */
  readonly named: readonly string[]
  readonly requirements: readonly string[]
  readonly constraints: readonly string[]
  readonly locks: readonly string[]
  readonly stdin: boolean
}

export interface PythonInput {
  readonly specs: readonly string[]
  readonly locks: readonly ReadLock[]
}

/**
 * Read what is to be saved.
 *
 * @throws UsageError for what is no requirement and for a file that cannot be read, DepotError for one that is malformed
 */
export async function readPythonInput(options: PythonInputOptions): Promise<PythonInput> {
  const specs: string[] = []
  const files: string[] = [...options.locks]
  for (const word of options.named) {
    if (lockKindOf(word) !== undefined && (await isFile(word))) files.push(word)
    else specs.push(requirement(word))
  }
  const locks = await Promise.all([
    ...files.map(readFile),
    ...options.requirements.map((file) => readRequirements(file, readNamed)),
    ...options.constraints.map(async (file) => asConstraints(await readRequirements(file, readNamed))),
    ...(options.stdin ? [readStandardInput()] : []),
  ])
  return { specs, locks }
}

function requirement(word: string): string {
  // `uv.lock` would do as the name of a project too, and `requirements.txt` as one that somebody made up for those who forget the -r.
  if (lockKindOf(word) !== undefined) throw new UsageError(`'${word}' is no file that is here`)
  if (parseRequirement(word) === undefined) throw new UsageError(`'${word}' is no requirement, as requests>=2 is one`)
  return word
}

async function readFile(file: string): Promise<ReadLock> {
  const kind = lockKindOf(file)
  return kind === 'requirements.txt' ? readRequirements(file, readNamed) : readLock(file, await readNamed(file))
}

/** A list of requirements that names its own file `-`. */
function readStandardInput(): Promise<ReadLock> {
  return readRequirements('-', (file) =>
    file === '-' ? boundedText(process.stdin, 'standard input', LIMITS.lockFileCharsMax) : readNamed(file),
  )
}

/** All that a file names only limits what others ask for. */
function asConstraints(lock: ReadLock): ReadLock {
  const pins = lock.versions.map(({ project, version, marker }) => {
    const only = marker === undefined ? '' : ` ; ${marker}`
    return `${project}==${version}${only}`
  })
  const constraints = [...lock.constraints, ...lock.requirements, ...pins]
  return { ...lock, files: [], versions: [], requirements: [], others: [], constraints }
}

async function readNamed(file: string): Promise<string> {
  try {
    return await boundedText(createReadStream(file), file, LIMITS.lockFileCharsMax)
  } catch (error) {
    if (error instanceof DepotError) throw error
    throw new UsageError(`${file} cannot be read: ${messageOf(error)}`)
  }
}
