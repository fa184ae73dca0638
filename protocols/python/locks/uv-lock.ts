import { z } from 'zod'

import { parseAs } from '../../../src/http/parse-as.ts'
import { createCollector, type LockCollector } from './lock-collector.ts'
import { parseTomlText } from './lock-document.ts'
import { malformed } from './lock-error.ts'
import type { ReadLock } from './lock-types.ts'
import { fromPath, fromRepository } from './other-source.ts'

const file = z.object({
  url: z.string().optional(),
  /** Of an index that is a folder. */
  path: z.string().optional(),
  filename: z.string().optional(),
  hash: z.string().optional(),
  size: z.number().int().nonnegative().optional(),
  'upload-time': z.string().optional(),
})

const uvPackage = z.object({
  name: z.string(),
  /** Absent for a project whose version its build finds out. */
  version: z.string().optional(),
  source: z.object({
    registry: z.string().optional(),
    url: z.string().optional(),
    git: z.string().optional(),
    path: z.string().optional(),
    directory: z.string().optional(),
    editable: z.string().optional(),
    virtual: z.string().optional(),
  }),
  sdist: file.optional(),
  wheels: z.array(file).default([]),
})

const lockSchema = z.object({
  version: z.number(),
  manifest: z.object({ members: z.array(z.string()).default([]) }).optional(),
  package: z.array(uvPackage).default([]),
})

/** uv.lock, version 1: every file with its address. @throws DepotError `BAD_REQUEST` */
export function readUvLock(filename: string, text: string): ReadLock {
  const lock = parseAs(lockSchema, parseTomlText(filename, text), filename)
  if (lock.version !== 1) throw malformed(filename, `it is of version ${lock.version}: only version 1 can be read`)
  const collector = createCollector('uv.lock', filename)
  const members = new Set(lock.manifest?.members ?? [])
  for (const [index, one] of lock.package.entries()) {
    const { git, path, registry, virtual, ...source } = one.source
    const folder = virtual ?? source.editable ?? source.directory
    // The project, and those of its workspace: they come along with the lock file.
    if (virtual !== undefined || folder === '.' || (folder !== undefined && members.has(one.name))) continue
    if (registry !== undefined && isAddress(registry)) collector.index(registry)
    if (git !== undefined) collector.other(fromRepository(one.name, git))
    else if (folder !== undefined) collector.other(fromPath(one.name, folder))
    else if (path !== undefined) collector.other(fromPath(one.name, path))
    else addFiles(collector, `package.${index}`, one)
  }
  return collector.finish()
}

function addFiles(collector: LockCollector, at: string, locked: z.infer<typeof uvPackage>): void {
  const { name, version, sdist, wheels, source } = locked
  const files = [
    ...(sdist === undefined ? [] : [['sdist', sdist] as const]),
    ...wheels.map((wheel, index) => [`wheels.${index}`, wheel] as const),
  ]
  if (files.length === 0)
    collector.other({ item: name, name, reason: 'the lock file names no file of it', breaks: true })
  for (const [part, file] of files) {
    // An address of its own is said once, for the package.
    const url = file.url ?? source.url
    if (url === undefined) collector.other(fromPath(name, file.path ?? file.filename ?? ''))
    else
      collector.file(`${at}.${part}`, {
        project: name,
        version,
        filename: file.filename,
        url,
        hashes: file.hash === undefined ? [] : [file.hash],
        sizeBytes: file.size,
        uploadTime: file['upload-time'],
      })
  }
}

/** A registry may also be a folder. */
function isAddress(registry: string): boolean {
  return /^https?:\/\//i.test(registry)
}
