import { npmVersions } from '../helpers/many-records.ts'
import { publishOf, tarballOf } from '../helpers/npm-fixtures.ts'
import type { Row } from './run.ts'
import { held, statusOf, watched } from './watched.ts'

/** As many as typescript has. */
const VERSIONS = 3_500
const AT_ONCE = 30
const HOSTILE = 100_000
/** What a body says of each of them. */
const FIELDS: readonly (readonly [field: string, value: unknown])[] = [
  ['versions', 1],
  ['dist-tags', '1.0.0'],
  ['_attachments', { data: '' }],
  ['users', true],
  ['unheard-of', { a: 1 }],
]

/** Packages of thousands of versions, and bodies that name many more. */
export async function npmHolds(dir: string): Promise<readonly Row[]> {
  await using many = await watched(dir, [npmVersions('large', VERSIONS)])
  const put = (name: string, body: string, ...expected: readonly number[]): Promise<string> =>
    statusOf(fetch(`${many.depot.url}/npm/${name}`, { method: 'PUT', body }), ...expected)
  const bodies = new Map<string, string>()
  for (let round = 0; round < 3; round++)
    for (let minor = 0; minor <= AT_ONCE; minor++) {
      const version = `2.${minor}.${round}`
      bodies.set(version, JSON.stringify(await publication('large', version)))
    }
  const publish = (version: string): Promise<string> => put('large', bodies.get(version) ?? '', 201)
  const rows = [
    await held(many, 'a publish onto 3,500 versions', (round) => publish(`2.${AT_ONCE}.${round}`)),
    await held(many, 'thirty publishes onto 3,500 versions at once', async (round) => {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, minor) => publish(`2.${minor}.${round}`)))
      return '201 to each'
    }),
    await held(many, 'the packument of 3,500 versions', () => statusOf(fetch(`${many.depot.url}/npm/large`), 200)),
  ]
  const deprecated = await deprecation(`${many.depot.url}/npm/large?write=true`)
  rows.push(await held(many, 'the deprecation of 3,500 versions', () => put('large', deprecated, 201), { rounds: 1 }))
  const { _rev } = (await (await fetch(`${many.depot.url}/npm/large`)).json()) as { _rev: string }
  const removal = (): Promise<Response> => fetch(`${many.depot.url}/npm/large/-rev/${_rev}`, { method: 'DELETE' })
  rows.push(await held(many, 'the deletion of 3,500 versions', () => statusOf(removal(), 200), { rounds: 1 }))
  for (const [field, value] of FIELDS) {
    const names = [0, 1, 2].map((round) => `hostile-${field.replace('_', '')}-${round}`)
    const bodies = await Promise.all(names.map((name) => hostileBody(name, field, value)))
    const publish = (round: number): Promise<string> => put(names[round] ?? '', bodies[round] ?? '', 201, 400, 413)
    rows.push(await held(many, `a publish of 100,000 ${field}`, publish))
  }
  return rows
}

async function hostileBody(name: string, field: string, value: unknown): Promise<string> {
  const publish = await publication(name, '1.0.0')
  const table = Object.fromEntries(Array.from({ length: HOSTILE }, (_, patch) => [`1.0.${patch}`, value]))
  return JSON.stringify({ ...publish, [field]: { ...(publish[field] as object | undefined), ...table } })
}

async function publication(name: string, version: string): Promise<Record<string, unknown>> {
  return publishOf({ name, version }, await tarballOf({ name, version }))
}

async function deprecation(url: string): Promise<string> {
  const document = (await (await fetch(url)).json()) as { versions: Record<string, { deprecated?: string }> }
  for (const version of Object.values(document.versions)) version.deprecated = 'all of them'
  return JSON.stringify(document)
}
