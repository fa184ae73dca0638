import { z } from 'zod'

import { parseAs } from '../../../src/http/parse-as.ts'
import { createCollector, type LockCollector } from './lock-collector.ts'
import { parseJsonText } from './lock-document.ts'
import { malformed } from './lock-error.ts'
import type { ReadLock } from './lock-types.ts'
import { fromPath, fromRepository } from './other-source.ts'

const entry = z.object({
  version: z.string().optional(),
  hashes: z.array(z.string()).default([]),
  extras: z.array(z.string()).optional(),
  markers: z.string().optional(),
  git: z.string().optional(),
  hg: z.string().optional(),
  svn: z.string().optional(),
  /** An address, or a path. */
  file: z.string().optional(),
  path: z.string().optional(),
})

const lockSchema = z
  .object({
    _meta: z.object({
      'pipfile-spec': z.number().optional(),
      sources: z.array(z.object({ url: z.string() })).default([]),
    }),
  })
  // `default`, `develop` and whatever else the Pipfile calls its groups.
  .catchall(z.record(z.string(), entry))

/** Pipfile.lock. @throws DepotError `BAD_REQUEST` */
export function readPipfileLock(filename: string, text: string): ReadLock {
  const { _meta: meta, ...groups } = parseAs(lockSchema, parseJsonText(filename, text), filename)
  const collector = createCollector('Pipfile.lock', filename)
  for (const [group, entries] of Object.entries(groups)) {
    for (const [name, one] of Object.entries(entries)) addEntry(collector, filename, { ...one, name, group })
  }
  const [indexUrl, ...extraIndexUrls] = meta.sources.map(({ url }) => url)
  return collector.finish(indexUrl === undefined ? {} : { indexUrl, extraIndexUrls })
}

type Entry = z.infer<typeof entry> & { readonly name: string; readonly group: string }

function addEntry(collector: LockCollector, filename: string, one: Entry): void {
  const { name, group, version, hashes, extras, markers, file } = one
  const at = `${group}.${name}`
  const repository = one.git ?? one.hg ?? one.svn
  if (repository !== undefined) collector.other(fromRepository(name, repository))
  else if (one.path !== undefined) collector.other(fromPath(name, one.path))
  else if (file !== undefined && /^https?:/i.test(file)) collector.file(at, { project: name, url: file, hashes })
  else if (file !== undefined) collector.other(fromPath(name, file))
  else {
    const pinned = /^={2,3}\s*([^\s=].*)$/.exec(version ?? '')?.[1]
    if (pinned === undefined) throw malformed(`${filename}, ${at}`, 'it is not pinned to one version by ==')
    collector.version(at, { project: name, version: pinned, extras, hashes, marker: markers })
  }
}
