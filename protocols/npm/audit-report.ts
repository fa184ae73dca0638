import { breath } from '../../src/breath.ts'
import { LIMITS } from '../../src/limits.ts'
import { affected, type Advisory } from './advisories.ts'

/** Where a version stands in a tree of dependencies. */
interface Place {
  /** Names from the root: `a>b`. */
  readonly path: string
  readonly dev: boolean
  readonly optional: boolean
}

/** The packages of a lock file in npm's form of old. */
export interface Tree {
  /** By name, then by version. */
  readonly places: ReadonlyMap<string, ReadonlyMap<string, readonly Place[]>>
  readonly counts: {
    readonly dependencies: number
    readonly devDependencies: number
    readonly optionalDependencies: number
  }
}

/** Read what `POST /-/npm/v1/security/audits` sends: `dependencies` in `dependencies`. What is not of that form is passed over. */
export function readTree(body: Readonly<Record<string, unknown>>): Tree {
  const places = new Map<string, Map<string, Place[]>>()
  const counts = { dependencies: 0, devDependencies: 0, optionalDependencies: 0 }
  // No recursion: a body may nest as deep as its parser lets it.
  const waiting: { readonly node: object; readonly path: string }[] = [{ node: body, path: '' }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const [name, node] of childrenOf(next.node)) {
      const path = next.path === '' ? name : `${next.path}>${name}`
      const [dev, optional] = [flag(node, 'dev'), flag(node, 'optional')]
      counts[dev ? 'devDependencies' : optional ? 'optionalDependencies' : 'dependencies']++
      const version = 'version' in node && typeof node.version === 'string' ? node.version : ''
      const versions = places.get(name) ?? new Map<string, Place[]>()
      const known = versions.get(version) ?? []
      if (known.length < LIMITS.npmAuditPathsMax) known.push({ path, dev, optional })
      places.set(name, versions.set(version.slice(0, LIMITS.npmVersionLengthMax), known))
      if (path.length <= LIMITS.npmAuditPathLengthMax) waiting.push({ node, path })
    }
  }
  return { places, counts }
}

function childrenOf(node: object): readonly [string, object][] {
  const children: unknown = 'dependencies' in node ? node.dependencies : undefined
  if (typeof children !== 'object' || children === null) return []
  return Object.entries(children).filter(
    (entry): entry is [string, object] => typeof entry[1] === 'object' && entry[1] !== null,
  )
}

function flag(node: object, name: 'dev' | 'optional'): boolean {
  return name in node && (node as Readonly<Record<string, unknown>>)[name] === true
}

/** The answer that npm 6, yarn 1 and pnpm of old read, as JSON. All that is affected is counted; places are told up to their bound. */
export async function auditReport(
  { places, counts }: Tree,
  found: ReadonlyMap<string, readonly Advisory[]>,
): Promise<string> {
  const advisories: string[] = []
  const actions: string[] = []
  const vulnerabilities: Record<string, number> = { info: 0, low: 0, moderate: 0, high: 0, critical: 0 }
  const room = { length: LIMITS.npmAuditPlacesLengthMax }
  for (const [name, known] of found) {
    for (const advisory of known) {
      await breath()
      const all = await findingsOf(advisory, places.get(name) ?? new Map<string, readonly Place[]>())
      const severity = advisory.severity ?? 'moderate'
      if (Object.hasOwn(vulnerabilities, severity))
        vulnerabilities[severity] = (vulnerabilities[severity] ?? 0) + all.reduce((sum, { at }) => sum + at.length, 0)
      const findings = all.map(({ version, at }) => ({ version, at: at.filter(({ path }) => takes(room, path)) }))
      advisories.push(`${JSON.stringify(String(advisory.id))}:${JSON.stringify(oldAdvisory(name, advisory, findings))}`)
      const resolves = findings.flatMap(({ at }) => at.map((place) => ({ id: advisory.id, ...place, bundled: false })))
      actions.push(JSON.stringify({ action: 'review', module: name, resolves }))
    }
  }
  const totalDependencies = counts.dependencies + counts.devDependencies + counts.optionalDependencies
  const metadata = JSON.stringify({ vulnerabilities, ...counts, totalDependencies })
  return `{"actions":[${actions.join(',')}],"advisories":{${advisories.join(',')}},"muted":[],"metadata":${metadata}}`
}

function takes(room: { length: number }, path: string): boolean {
  if (path.length > room.length) return false
  room.length -= path.length
  return true
}

interface Finding {
  readonly version: string
  readonly at: readonly Place[]
}

async function findingsOf(
  advisory: Advisory,
  versions: ReadonlyMap<string, readonly Place[]>,
): Promise<readonly Finding[]> {
  const hit = await affected(advisory, [...versions.keys()])
  return hit.map((version) => ({ version, at: versions.get(version) ?? [] }))
}

function oldAdvisory(name: string, advisory: Advisory, findings: readonly Finding[]): object {
  const { id, url = '', title = '', severity = 'moderate', vulnerable_versions: versions = '*' } = advisory
  const github = /GHSA(?:-[0-9a-z]{4}){3}/.exec(url)?.[0]
  return {
    ...advisory,
    id,
    url,
    title,
    severity,
    module_name: name,
    vulnerable_versions: versions,
    patched_versions: '',
    overview: title,
    recommendation: '',
    references: url,
    cves: [],
    access: 'public',
    github_advisory_id: github ?? String(id),
    findings: findings.map(({ version, at }) => ({ version, paths: at.map(({ path }) => path) })),
  }
}
