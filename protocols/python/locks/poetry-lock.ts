import { z } from 'zod'

import { parseAs } from '../../../src/http/parse-as.ts'
import { createCollector, type LockCollector } from './lock-collector.ts'
import { parseTomlText } from './lock-document.ts'
import { malformed } from './lock-error.ts'
import type { ReadLock } from './lock-types.ts'
import { fromPath, fromRepository } from './other-source.ts'

const files = z.array(z.object({ file: z.string(), hash: z.string() }))

const poetryPackage = z.object({
  name: z.string(),
  version: z.string(),
  files: files.optional(),
  /** One for all groups, or one for each. */
  markers: z.union([z.string(), z.record(z.string(), z.string())]).optional(),
  source: z
    .object({
      type: z.enum(['legacy', 'git', 'url', 'file', 'directory']),
      url: z.string(),
      reference: z.string().optional(),
    })
    .optional(),
})

const lockSchema = z.object({
  package: z.array(poetryPackage).default([]),
  metadata: z.object({
    'lock-version': z.string().optional(),
    /** Until version 2 of the lock file, by name as the package has it. */
    files: z.record(z.string(), files).optional(),
    /** Before version 1. */
    hashes: z.record(z.string(), z.array(z.string())).optional(),
  }),
})

type Lock = z.infer<typeof lockSchema>

/** poetry.lock of poetry 1 and 2. @throws DepotError `BAD_REQUEST` */
export function readPoetryLock(filename: string, text: string): ReadLock {
  const lock = parseAs(lockSchema, parseTomlText(filename, text), filename)
  const version = lock.metadata['lock-version'] ?? '0'
  if (!/^[012](?:\.\d+)?$/.test(version))
    throw malformed(filename, `it is of version ${version.slice(0, 20)}: versions 1 and 2 can be read`)
  const collector = createCollector('poetry.lock', filename)
  for (const [index, one] of lock.package.entries()) addPackage(collector, `package.${index}`, one, lock.metadata)
  return collector.finish()
}

function addPackage(
  collector: LockCollector,
  at: string,
  { name, version, source, markers, ...own }: Lock['package'][number],
  metadata: Lock['metadata'],
): void {
  if (source?.type === 'git') return collector.other(fromRepository(name, source.url))
  if (source?.type === 'file' || source?.type === 'directory') return collector.other(fromPath(name, source.url))
  const named = own.files ?? memberOf(metadata.files, name)
  const hashes = named?.map(({ file, hash }) => ({ filename: file, hash }))
  if (source?.type === 'url') {
    return collector.file(at, {
      project: name,
      version,
      url: source.url,
      hashes: hashes?.map(({ hash }) => hash) ?? [],
    })
  }
  if (source !== undefined) collector.index(source.url)
  const bare = memberOf(metadata.hashes, name)?.map((hex) => `sha256:${hex}`) ?? []
  const marker = typeof markers === 'string' ? markers : undefined
  collector.version(at, { project: name, version, hashes: hashes ?? bare, marker })
}

function memberOf<T>(table: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined
}
