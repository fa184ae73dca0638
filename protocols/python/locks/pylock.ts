import { z } from 'zod'

import { parseAs } from '../../../src/http/parse-as.ts'
import { findDistribution } from '../filename.ts'
import { identityOf } from '../identity.ts'
import { createCollector, lastSegment, type LockCollector } from './lock-collector.ts'
import { parseTomlText } from './lock-document.ts'
import { malformed } from './lock-error.ts'
import type { ReadLock } from './lock-types.ts'
import { fromPath, fromRepository } from './other-source.ts'

const file = z.object({
  name: z.string().optional(),
  url: z.string().optional(),
  path: z.string().optional(),
  size: z.number().int().nonnegative().optional(),
  // What TOML has for a time is a Date here, of which local ones have no zone.
  'upload-time': z.date().optional(),
  hashes: z.record(z.string(), z.string()).default({}),
})

const pylockPackage = z.object({
  name: z.string(),
  version: z.string().optional(),
  index: z.string().optional(),
  vcs: z.object({ url: z.string().optional(), path: z.string().optional() }).optional(),
  directory: z.object({ path: z.string() }).optional(),
  archive: file.optional(),
  sdist: file.optional(),
  wheels: z.array(file).default([]),
})

const lockSchema = z.object({ 'lock-version': z.string(), packages: z.array(pylockPackage) })

/** pylock.toml (PEP 751), version 1. @throws DepotError `BAD_REQUEST` */
export function readPylock(filename: string, text: string): ReadLock {
  const lock = parseAs(lockSchema, parseTomlText(filename, text), filename)
  const version = lock['lock-version']
  // PEP 751: a reader takes every minor version of a major one that it knows.
  if (!/^1\.\d+$/.test(version))
    throw malformed(filename, `it is of version ${version.slice(0, 20)}: only version 1 can be read`)
  const collector = createCollector('pylock.toml', filename)
  for (const [position, { name, index, vcs, directory, ...files }] of lock.packages.entries()) {
    if (index !== undefined) collector.index(index)
    if (vcs !== undefined) collector.other(fromRepository(name, vcs.url ?? vcs.path ?? ''))
    // The folder of the lock file is the project itself.
    else if (directory !== undefined && directory.path !== '.') collector.other(fromPath(name, directory.path))
    else if (directory === undefined) addFiles(collector, `packages.${position}`, { name, ...files })
  }
  return collector.finish()
}

type Packaged = Pick<z.infer<typeof pylockPackage>, 'name' | 'version' | 'archive' | 'sdist' | 'wheels'>

function addFiles(collector: LockCollector, at: string, locked: Packaged): void {
  const { name, version, archive, sdist, wheels } = locked
  const files = [
    ...(archive === undefined ? [] : [['archive', archive] as const]),
    ...(sdist === undefined ? [] : [['sdist', sdist] as const]),
    ...wheels.map((wheel, index) => [`wheels.${index}`, wheel] as const),
  ]
  if (files.length === 0)
    collector.other({ item: name, name, reason: 'the lock file names no file of it', breaks: true })
  for (const [part, { name: filename, url, path, size, hashes, 'upload-time': time }] of files) {
    if (url === undefined) collector.other(fromPath(name, path ?? filename ?? ''))
    else
      collector.file(`${at}.${part}`, {
        project: name,
        version,
        filename: filename === undefined ? undefined : spelling(filename, url),
        url,
        hashes: Object.entries(hashes).map(([algorithm, hex]) => `${algorithm}:${hex}`),
        sizeBytes: size,
        uploadTime: time?.toISOString(),
      })
  }
}

/**
 * The file's name as its address has it, where that is the same file to installers, else as the lock says. uv writes names of its own
 * spelling (`pysocks-1.7.1-…` for `PySocks-1.7.1-…`), but index and `uv.lock` know the file by the other one, and a depot takes only one.
 */
function spelling(name: string, url: string): string {
  const [said, there] = [findDistribution(name), findDistribution(lastSegment(url))]
  if (said === undefined || there === undefined || said.project !== there.project) return name
  return identityOf(said) === identityOf(there) ? there.filename : name
}
