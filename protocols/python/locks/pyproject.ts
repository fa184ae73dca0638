import { z } from 'zod'

import { parseAs } from '../../../src/http/parse-as.ts'
import { normalizeProjectName } from '../project-name.ts'
import { createCollector, projectIn } from './lock-collector.ts'
import { parseTomlText } from './lock-document.ts'
import { malformed } from './lock-error.ts'
import type { OtherItem, ReadLock } from './lock-types.ts'
import { fromPath, fromRepository } from './other-source.ts'
import { parseRequirement, type Requirement } from './requirement.ts'

const lines = z.array(z.string())
const source = z.looseObject({
  git: z.string().optional(),
  path: z.string().optional(),
  workspace: z.boolean().optional(),
})

const projectSchema = z.object({
  project: z
    .object({
      name: z.string().optional(),
      dependencies: lines.default([]),
      'optional-dependencies': z.record(z.string(), lines).default({}),
    })
    .optional(),
  'dependency-groups': z
    .record(z.string(), z.array(z.union([z.string(), z.object({ 'include-group': z.string() }), z.looseObject({})])))
    .default({}),
  tool: z
    .object({
      poetry: z.object({ dependencies: z.looseObject({}).optional() }).optional(),
      uv: z.object({ sources: z.record(z.string(), z.union([source, z.array(source)])).default({}) }).optional(),
    })
    .optional(),
})

type PyProject = z.infer<typeof projectSchema>

/**
 * What a project depends on, with all of its extras and groups (PEP 621, PEP 735), as requirements that are still to be resolved.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function readPyproject(filename: string, text: string): ReadLock {
  const document = parseAs(projectSchema, parseTomlText(filename, text), filename)
  if (document.project === undefined && document.tool?.poetry?.dependencies !== undefined)
    throw malformed(filename, 'its dependencies are in the form of poetry 1: name its poetry.lock instead')
  const collector = createCollector('pyproject.toml', filename)
  const own = document.project?.name === undefined ? undefined : normalizeProjectName(document.project.name)
  for (const { at, line } of dependencyLines(document)) {
    const parsed = parseRequirement(line)
    if (parsed === undefined)
      throw malformed(`${filename}, ${at}`, `'${line.slice(0, 200)}' is no requirement as PEP 508 defines it`)
    // Its own extras: they are all here.
    if (parsed.project === own) continue
    const other = elsewhere(document, parsed)
    if (other === undefined) collector.requirement(line)
    else collector.other(other)
  }
  for (const [name, members] of Object.entries(document['dependency-groups']))
    checkGroups(filename, document, name, members)
  return collector.finish()
}

interface DependencyLine {
  readonly at: string
  readonly line: string
}

function dependencyLines({ project, 'dependency-groups': groups }: PyProject): readonly DependencyLine[] {
  const placed = (at: string, found: readonly unknown[]): readonly DependencyLine[] =>
    found.flatMap((line, index) => (typeof line === 'string' ? [{ at: `${at}.${index}`, line }] : []))
  const named = (at: string, table: Readonly<Record<string, readonly unknown[]>>): readonly DependencyLine[] =>
    Object.entries(table).flatMap(([name, found]) => placed(`${at}.${name}`, found))
  return [
    ...placed('project.dependencies', project?.dependencies ?? []),
    ...named('project.optional-dependencies', project?.['optional-dependencies'] ?? {}),
    ...named('dependency-groups', groups),
  ]
}

/** Every group is read by itself: what one includes only has to be there. @throws DepotError `BAD_REQUEST` */
function checkGroups(filename: string, document: PyProject, name: string, members: readonly unknown[]): void {
  const known = new Set(Object.keys(document['dependency-groups']).map(normalizeProjectName))
  for (const member of members) {
    if (typeof member === 'string') continue
    const included = z.object({ 'include-group': z.string() }).safeParse(member).data?.['include-group']
    const where = `${filename}, dependency-groups.${name}`
    if (included === undefined) throw malformed(where, 'it holds neither a requirement nor an include-group')
    if (!known.has(projectIn(where, included))) throw malformed(where, `there is no group ${included}`)
  }
}

/** uv may take a project from somewhere else than from an index. */
function elsewhere({ tool }: PyProject, { project, url }: Requirement): OtherItem | undefined {
  if (url !== undefined && !/^https?:/i.test(url))
    return /^[a-z]+\+/i.test(url) ? fromRepository(project, url) : fromPath(project, url)
  const found = Object.entries(tool?.uv?.sources ?? {}).find(([name]) => normalizeProjectName(name) === project)?.[1]
  for (const { git, path, workspace } of [found ?? []].flat()) {
    if (git !== undefined) return fromRepository(project, git)
    if (path !== undefined) return fromPath(project, path)
    if (workspace === true) return fromPath(project, '.')
  }
  return undefined
}
