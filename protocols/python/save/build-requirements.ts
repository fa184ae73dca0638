import { parse as parseToml } from 'smol-toml'

import type { SavedFile } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { ByteSource } from '../byte-source.ts'
import type { Distribution } from '../filename.ts'
import { parseRequirement } from '../locks/requirement.ts'
import { readSdistFile } from '../sdist.ts'

/** What pip and uv build with where an sdist does not say (PEP 517, "Build backend interface"; PEP 518). */
const BY_DEFAULT: readonly string[] = ['setuptools>=40.8.0', 'wheel']

/**
 * What an sdist needs to be built: `[build-system] requires` of its pyproject.toml (PEP 518). Beside setuptools stands wheel, which older
 * versions of it ask for only while they build.
 *
 * @throws DepotError `CONTENT_MISMATCH`, `BAD_REQUEST` when it cannot be read
 */
export async function buildRequirements(file: SavedFile, sdist: Distribution): Promise<readonly string[]> {
  const content = await readSdistFile(await sourceOf(file), sdist, 'pyproject.toml')
  return content === undefined ? BY_DEFAULT : requirementsIn(new TextDecoder().decode(content))
}

/** @throws DepotError `BAD_REQUEST` for what no installer reads */
export function requirementsIn(pyproject: string): readonly string[] {
  if (pyproject.length > LIMITS.pyprojectBytesMax) throw broken('it is too long')
  const requires = member(member(toml(pyproject), 'build-system'), 'requires')
  if (requires === undefined) return BY_DEFAULT
  if (!Array.isArray(requires) || requires.length > LIMITS.buildRequirementsMax)
    throw broken('[build-system] requires is no list of requirements')
  const lines = requires.map((line: unknown) => {
    if (typeof line === 'string' && isPlainRequirement(line.trim())) return line.trim()
    throw broken('[build-system] requires something that is in no index')
  })
  return lines.some((line) => /^setuptools\b/i.test(line)) && !lines.some((line) => /^wheel\b/i.test(line))
    ? [...lines, 'wheel']
    : lines
}

/** On one line, and neither an option, a path nor an address, which uv and pip would follow. */
function isPlainRequirement(line: string): boolean {
  const parsed = /[\r\n]/.test(line) ? undefined : parseRequirement(line)
  return parsed !== undefined && parsed.url === undefined
}

function toml(text: string): unknown {
  try {
    return parseToml(text)
  } catch (cause) {
    throw broken('it is not TOML', cause)
  }
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined
}

function broken(why: string, cause?: unknown): DepotError {
  return new DepotError('BAD_REQUEST', `its pyproject.toml cannot be used: ${why}`, { cause })
}

async function sourceOf(file: SavedFile): Promise<ByteSource> {
  const blob = await file.blob()
  return {
    sizeBytes: blob.size,
    read: async ({ start, end }) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
  }
}
