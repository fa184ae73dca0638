import type { RecordPut } from '../../src/kv-store.ts'
import { sha256Hex, sha256Nix32 } from './nar.ts'

const TIME = '2026-01-01T00:00:00.000Z'
const WORDS =
  'fast small http server client stream parser view node tool json date time array promise mock format'.split(' ')

/** Records as they lie in the database after so many uploads, in batches of a commit each. */
export type Batches = Generator<readonly RecordPut[]>

/** Packages of one version, of which every third has a scope: `fast-0` of the words fast and server, and so on. */
export function* npmPackages(count: number): Batches {
  yield* batches(count, 1000, (number) => {
    const [word = '', other = ''] = [number, number * 7 + 3].map((at) => WORDS[at % WORDS.length])
    const name = number % 3 === 0 ? `@scope-${number % 50}/${word}-${number}` : `${word}-${number}`
    return npmPackage(name, { description: `A ${word} ${other} for number ${number}`, keywords: [other] })
  })
}

/** `package-0` and others, with all that a search looks at as long as may be and of one letter. */
export function* poisonedPackages(count: number): Batches {
  const longest = 'a'.repeat(512)
  const person = { name: longest, email: longest }
  const maintainers = Array.from({ length: 20 }, () => person)
  const manifest = { description: longest, author: person, maintainers }
  yield* batches(count, 100, (number) => npmPackage(`package-${number}`, manifest))
}

/** Compared with those packages from its end, as engines do, it fits almost to its beginning at every place. */
export const POISONED_TEXT = `${'a'.repeat(100)}b${'a'.repeat(400)}`

/** `package-0` and others, with a readme of so many letters each. */
export function* packagesWithReadme(count: number, length: number): Batches {
  const readme = 'r'.repeat(length)
  yield* batches(count, 1, (number) => npmPackage(`package-${number}`, {}, { readme }))
}

function npmPackage(name: string, more: object, fields: object = {}): readonly RecordPut[] {
  const manifest = { name, version: '1.0.0', dist: {}, ...more }
  const record = { tags: { latest: '1.0.0' }, created: TIME, modified: TIME, times: { '1.0.0': TIME }, fields }
  return [
    { kind: 'npm-version', key: `${name}@1.0.0`, value: JSON.stringify({ digest: '', manifest }) },
    { kind: 'npm-package', key: name, value: JSON.stringify(record) },
  ]
}

/** Versions 1.0.0, 1.1.0 and so on of one package, with forty dependencies each. */
export function* npmVersions(name: string, count: number): Batches {
  const dependencies = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`dependency-${n}`, `^1.${n}.0`]))
  const dist = { shasum: 'b'.repeat(40), integrity: `sha512-${'c'.repeat(86)}==` }
  yield* batches(count, 1000, (minor) => {
    const version = `1.${minor}.0`
    const value = JSON.stringify({ digest: 'a'.repeat(64), manifest: { name, version, dependencies, dist } })
    return [{ kind: 'npm-version', key: `${name}@${version}`, value }]
  })
  const times = Object.fromEntries(Array.from({ length: count }, (_, minor) => [`1.${minor}.0`, TIME]))
  const record = { tags: { latest: `1.${count - 1}.0` }, created: TIME, modified: TIME, times, fields: {} }
  yield [{ kind: 'npm-package', key: name, value: JSON.stringify(record) }]
}

/** `project-0` and others, which have no files. */
export function* pythonProjects(count: number): Batches {
  yield* batches(count, 5000, (number) => [
    { kind: 'python-project', key: `project-${number}`, value: `{"name":"project-${number}"}` },
  ])
  yield [{ kind: 'python-list', key: 'simple', value: '{"name":"simple"}' }]
}

/** Wheels of one project, a version each. */
export function* pythonFiles(project: string, count: number): Batches {
  const facts = { sha256: sha256Hex(Buffer.from('')), sizeBytes: 1, uploadTime: '2026-01-01T00:00:00Z', yanked: false }
  yield* batches(count, 1000, (number) => {
    const version = `${number}.0.dev1`
    const filename = `${project}-${version}-cp311-cp311-manylinux_2_17_x86_64.whl`
    const value = JSON.stringify({ ...facts, filename, version })
    return [{ kind: 'python-file', key: `${project}/${filename}`, value }]
  })
  yield [{ kind: 'python-project', key: project, value: JSON.stringify({ name: project }) }]
}

/** Store paths named `<hash>-stored`, with as many references each. */
export function* nixPaths(paths: readonly string[], references: readonly string[]): Batches {
  const entry = {
    narHash: sha256Hex(Buffer.from('')),
    narSizeBytes: 1,
    references: references.map((hash) => `${hash}-needed`),
    signatures: [],
    since: 1,
  }
  yield* batches(paths.length, 50, (at) => {
    const key = paths[at] ?? ''
    return [{ kind: 'nix-path', key, value: JSON.stringify({ ...entry, baseName: `${key}-stored` }) }]
  })
}

/** Hash parts of store paths, in order. */
export function storeHashes(what: string, count: number): readonly string[] {
  const hash = (index: number): string => sha256Nix32(Buffer.from(`${what} ${index}`)).slice(0, 32)
  return Array.from({ length: count }, (_, index) => hash(index)).sort()
}

function* batches(count: number, size: number, puts: (index: number) => readonly RecordPut[]): Batches {
  for (let from = 0; from < count; from += size)
    yield Array.from({ length: Math.min(size, count - from) }, (_, index) => puts(from + index)).flat()
}
