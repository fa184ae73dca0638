import npa from 'npm-package-arg'

import { DepotError } from '../../../src/errors.ts'
import { messageOf } from '../../../src/thrown.ts'
import { projectEdges, type Edge } from './edges.ts'
import { parseOverrides } from './overrides.ts'
import type { Root } from './resolve.ts'
import { isMembers, textIn, type Members } from './upstream-packument.ts'

/** A spec as `npm install` takes it: a name, `name@range`, `name@tag`, `alias@npm:name@range`, an address. @throws DepotError `BAD_REQUEST` */
export function parseSpec(text: string): Edge {
  try {
    const { name, rawSpec } = npa(text)
    return { name: name ?? '', spec: rawSpec === '' ? '*' : rawSpec, optional: false }
  } catch (cause) {
    throw new DepotError(
      'BAD_REQUEST',
      `'${text.slice(0, 200)}' is nothing that npm could install: ${messageOf(cause)}`,
    )
  }
}

/** Specs of a text, one a line; what follows `#` at the begin of a word is a comment. @throws DepotError `BAD_REQUEST` */
export function parseSpecs(text: string): readonly Edge[] {
  const lines = text.split(/\r?\n/).map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
  return lines.filter((line) => line !== '').map(parseSpec)
}

/** A package.json, and where it was found. */
export interface Project {
  readonly file: string
  readonly packageJson: Members
}

/** @throws DepotError `BAD_REQUEST` that names the file */
export function parseProject(file: string, text: string): Project {
  let packageJson: unknown
  try {
    packageJson = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw new DepotError('BAD_REQUEST', `${file} is not JSON`, { cause })
  }
  if (!isMembers(packageJson)) throw new DepotError('BAD_REQUEST', `${file} is no package.json`)
  return { file, packageJson }
}

/** The patterns of a project's workspaces: folders relative to it, those with `!` left out again. */
export function workspacePatterns({ packageJson }: Project): readonly string[] {
  const { workspaces } = packageJson
  const patterns = isMembers(workspaces) ? workspaces['packages'] : workspaces
  return Array.isArray(patterns) ? patterns.filter((pattern): pattern is string => typeof pattern === 'string') : []
}

/** What a project and its workspaces ask for. The project's overrides hold for all. @throws DepotError `BAD_REQUEST` */
export function projectRoots(project: Project, workspaces: readonly Project[], withDev: boolean): readonly Root[] {
  const overrides = parseOverrides(project.packageJson)
  const names = [project, ...workspaces].map(({ packageJson }) => textIn(packageJson, 'name') ?? '')
  const own = new Set(names.filter((name) => name !== ''))
  return [project, ...workspaces].map(({ file, packageJson }) => {
    return { from: file, edges: projectEdges(packageJson, withDev), overrides, own }
  })
}
