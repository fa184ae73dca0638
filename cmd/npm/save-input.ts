import { glob } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { lockKindOf, readLock } from '../../protocols/npm/locks/read-lock.ts'
import type { ReadLock } from '../../protocols/npm/locks/locked-package.ts'
import type { Edge } from '../../protocols/npm/save/edges.ts'
import type { Root } from '../../protocols/npm/save/resolve.ts'
import {
  parseProject,
  parseSpec,
  parseSpecs,
  projectRoots,
  workspacePatterns,
  type Project,
} from '../../protocols/npm/save/roots.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import { readTextFile } from '../transfer/import-files.ts'
import { boundedText, isFile } from '../transfer/input-files.ts'

export interface InputOptions {
  /** Specs, and files named package.json or as lock files are. */
  readonly named: readonly string[]
  readonly lockFiles: readonly string[]
  readonly stdin: boolean
  readonly withDev: boolean
}

export interface NpmInput {
  readonly roots: readonly Root[]
  readonly locks: readonly ReadLock[]
  /** A folder of the project: its settings count. */
  readonly folder: string
}

/**
 * Read what is to be saved.
 *
 * @throws UsageError for files that cannot be read, and when there is nothing; DepotError for those that are malformed
 */
export async function readInput({ named, lockFiles, stdin, withDev }: InputOptions): Promise<NpmInput> {
  const nothing = named.length === 0 && lockFiles.length === 0 && !stdin
  const words = nothing ? [await defaultFile()] : named
  const files = new Set(await filesAmong(words))
  const locks = [...lockFiles, ...[...files].filter((file) => lockKindOf(file) !== undefined)]
  const projects = [...files].filter((file) => !locks.includes(file))
  const specs: Edge[] = words.filter((word) => !files.has(word)).map(parseSpec)
  if (stdin) specs.push(...parseSpecs(await boundedText(process.stdin, 'standard input', LIMITS.npmProjectBytesMax)))
  const [first] = [...locks, ...projects]
  return {
    roots: [
      ...(specs.length === 0 ? [] : [{ from: 'the command line', edges: specs }]),
      ...(await Promise.all(projects.map((file) => rootsOf(file, withDev)))).flat(),
    ],
    locks: await Promise.all(locks.map(async (file) => readLock(file, await readNamed(file, LIMITS.npmLockLengthMax)))),
    folder: path.resolve(first === undefined ? '.' : path.dirname(first)),
  }
}

/** In the order of npm's own, then those of the others. */
const DEFAULTS = ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'package.json']

async function defaultFile(): Promise<string> {
  for (const file of DEFAULTS) if (await isFile(file)) return file
  throw new UsageError('save what? Name packages (express, @types/node@20), or a lock file; there is none here')
}

async function filesAmong(words: readonly string[]): Promise<readonly string[]> {
  const found: string[] = []
  for (const word of words)
    if ((path.basename(word) === 'package.json' || lockKindOf(word) !== undefined) && (await isFile(word)))
      found.push(word)
  return found
}

async function rootsOf(file: string, withDev: boolean): Promise<readonly Root[]> {
  const project = parseProject(file, await readNamed(file, LIMITS.npmProjectBytesMax))
  return projectRoots(project, await workspacesOf(project), withDev)
}

async function workspacesOf(project: Project): Promise<readonly Project[]> {
  const folder = path.dirname(project.file)
  const patterns = workspacePatterns(project)
  const inside = (pattern: string): string => path.posix.join(pattern.replace(/^!/, ''), 'package.json')
  const wanted = patterns.filter((pattern) => !pattern.startsWith('!')).map(inside)
  const not = patterns.filter((pattern) => pattern.startsWith('!')).map(inside)
  const found = new Set<string>()
  for await (const file of glob(wanted, { cwd: folder, exclude: [...not, '**/node_modules/**'] })) found.add(file)
  return Promise.all(
    [...found].sort().map(async (file) => {
      const at = path.join(folder, file)
      return parseProject(at, await readNamed(at, LIMITS.npmProjectBytesMax))
    }),
  )
}

async function readNamed(file: string, bytesMax: number): Promise<string> {
  try {
    return await readTextFile(file, bytesMax)
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${messageOf(error)}`)
  }
}
