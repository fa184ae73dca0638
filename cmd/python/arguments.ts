import { findDistribution } from '../../protocols/python/filename.ts'
import { isProjectName, normalizeProjectName } from '../../protocols/python/project-name.ts'
import { parseVersion } from '../../protocols/python/version.ts'
import { UsageError } from '../cli.ts'
import { plain } from '../terminal/plain.ts'
import type { Meant, NamedFile } from './api.ts'

/** The positional of commands on some files of a project; the URL may follow it. */
export const PROJECT_ARG = { type: 'positional', description: 'Project', required: true } as const

/** What was typed, without the URL of a depot behind it if there is one. */
export interface Typed {
  readonly words: readonly string[]
  readonly url: string | undefined
}

/** Between `least` and `most` words, and behind them the URL of a depot if there is one. @throws UsageError */
export function wordsAndUrl(positionals: readonly string[], least: number, most: number): Typed {
  const last = positionals.at(-1)
  const url = last?.includes('://') === true ? last : undefined
  const words = url === undefined ? positionals : positionals.slice(0, -1)
  if (words.length < least) throw new UsageError('something is missing: see --help')
  if (words.length > most) throw new UsageError(`unexpected argument '${plain(words[most] ?? '')}'`)
  return { words, url }
}

/** A project's name, normalised. @throws UsageError */
export function projectNamed(text: string | undefined): string {
  if (text !== undefined && isProjectName(text)) return normalizeProjectName(text)
  throw new UsageError(`'${plain(text ?? '')}' is no name of a project`)
}

/** A file of the project, or all files of a version. @throws UsageError */
export function meantBy(project: string, text: string): Meant {
  const distribution = findDistribution(text)
  if (distribution?.project === project) return { file: text }
  if (distribution === undefined && parseVersion(text) !== undefined) return { version: text }
  throw new UsageError(`'${plain(text)}' is neither a version nor a file of ${project}`)
}

/** A distribution file, whichever project's. @throws UsageError */
export function fileNamed(text: string): NamedFile {
  const distribution = findDistribution(text)
  if (distribution !== undefined) return { project: distribution.project, file: text }
  throw new UsageError(`'${plain(text)}' is no file name of a wheel or an sdist`)
}
