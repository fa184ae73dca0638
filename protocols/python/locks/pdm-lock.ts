import { z } from 'zod'

import { parseAs } from '../../../src/http/parse-as.ts'
import { createCollector, lastSegment, type LockCollector } from './lock-collector.ts'
import { parseTomlText } from './lock-document.ts'
import { malformed } from './lock-error.ts'
import type { ReadLock } from './lock-types.ts'
import { fromPath, fromRepository } from './other-source.ts'

/** With an address when the strategy is `static_urls`. */
const files = z.array(z.object({ file: z.string().optional(), url: z.string().optional(), hash: z.string() }))

const pdmPackage = z.object({
  name: z.string(),
  version: z.string().optional(),
  extras: z.array(z.string()).optional(),
  marker: z.string().optional(),
  files: files.optional(),
  git: z.string().optional(),
  hg: z.string().optional(),
  svn: z.string().optional(),
  bzr: z.string().optional(),
  path: z.string().optional(),
  url: z.string().optional(),
})

const lockSchema = z.object({
  package: z.array(pdmPackage).default([]),
  metadata: z.object({
    lock_version: z.string(),
    /** Until version 4.2 of the lock file, by `name version`. */
    files: z.record(z.string(), files).optional(),
  }),
})

/** pdm.lock of version 3 and 4. @throws DepotError `BAD_REQUEST` */
export function readPdmLock(filename: string, text: string): ReadLock {
  const lock = parseAs(lockSchema, parseTomlText(filename, text), filename)
  const { lock_version: version, files: listed } = lock.metadata
  if (!/^[34](?:\.|$)/.test(version))
    throw malformed(filename, `it is of version ${version.slice(0, 20)}: versions 3 and 4 can be read`)
  const collector = createCollector('pdm.lock', filename)
  for (const [index, one] of lock.package.entries()) {
    const { name, path, url } = one
    const repository = one.git ?? one.hg ?? one.svn ?? one.bzr
    const key = `${name} ${one.version ?? ''}`
    const named = one.files ?? (listed !== undefined && Object.hasOwn(listed, key) ? listed[key] : undefined) ?? []
    if (repository !== undefined) collector.other(fromRepository(name, repository))
    else if (path !== undefined) collector.other(fromPath(name, path))
    else if (url !== undefined) {
      const hashes = named.map(({ hash }) => hash)
      collector.file(`package.${index}`, { project: name, version: one.version, url, hashes })
    } else addVersion(collector, `package.${index}`, { ...one, files: named })
  }
  return collector.finish()
}

function addVersion(collector: LockCollector, at: string, locked: z.infer<typeof pdmPackage>): void {
  const { name, version, extras, marker, files: named = [] } = locked
  const isStatic = named.length > 0 && named.every(({ url }) => url !== undefined)
  if (isStatic)
    for (const { url = '', hash } of named) collector.file(at, { project: name, version, url, hashes: [hash] })
  else if (version === undefined)
    collector.other({ item: name, name, reason: 'the lock file names no version of it', breaks: true })
  else {
    const hashes = named.map(({ file, url = '', hash }) => ({ filename: file ?? lastSegment(url), hash }))
    collector.version(at, { project: name, version, extras, hashes, marker })
  }
}
