import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

import { tarGz } from '../helpers/wheel.ts'
import { publishBody, send } from './fill.ts'

/** A package of a made-up registry. */
export interface MadePackage {
  readonly name: string
  readonly versions: number
  /** Names that its last version needs. */
  readonly dependencies?: readonly string[]
  /** Content of its last version's tarball that does not compress. */
  readonly sizeBytes?: number
  /** Development dependencies of each version: what makes a manifest long. */
  readonly developmentDependencies?: number
}

/**
 * Packages as a Verdaccio storage folder, which Verdaccio serves as its own and `depot npm import` reads: both then hold the same bytes.
 */
export function writeVerdaccioStorage(dir: string, packages: readonly MadePackage[]): void {
  for (const made of packages) writePackage(path.join(dir, made.name), made)
  const list = packages.map(({ name }) => name)
  writeFileSync(path.join(dir, '.verdaccio-db.json'), JSON.stringify({ list, secret: 'x'.repeat(32) }))
}

/** Publish the packages of such a folder to a registry that takes them from everybody, but those of more than a hundred versions. */
export async function publishAll(registry: string, dir: string): Promise<void> {
  for (const name of readdirSync(dir).filter((entry) => !entry.startsWith('.'))) {
    const { versions } = JSON.parse(readFileSync(path.join(dir, name, 'package.json'), 'utf8')) as {
      readonly versions: Readonly<Record<string, { readonly name: string; readonly version: string }>>
    }
    const manifests = Object.values(versions)
    if (manifests.length > 100) continue
    for (const manifest of manifests) {
      const tarball = readFileSync(path.join(dir, name, `${name}-${manifest.version}.tgz`))
      const headers = { 'content-type': 'application/json', authorization: 'Bearer any' }
      await send(`${registry}/${name}`, 'PUT', publishBody(manifest, tarball), headers)
    }
  }
}

/** The tree that `npm install` resolves: 30 roots, each package above 30 needed by exactly one other. */
export function packageTree(count: number): readonly MadePackage[] {
  return Array.from({ length: count }, (_, index) => ({
    name: treeName(index),
    versions: 8,
    dependencies: [0, 1, 2]
      .map((child) => 30 + 3 * index + child)
      .filter((child) => child < count)
      .map(treeName),
    sizeBytes: 30_000,
    developmentDependencies: 12,
  }))
}

export function treeRoots(): readonly string[] {
  return Array.from({ length: 30 }, (_, index) => treeName(index))
}

function treeName(index: number): string {
  return `tree-${String(index).padStart(3, '0')}`
}

function writePackage(dir: string, made: MadePackage): void {
  mkdirSync(dir, { recursive: true })
  const { name } = made
  const versions: Record<string, object> = {}
  const attachments: Record<string, object> = {}
  const time: Record<string, string> = {}
  for (let index = 0; index < made.versions; index++) {
    const version = `1.${index}.0`
    const manifest = manifestOf(made, version)
    const isLast = index === made.versions - 1
    const tarball = tarballOf(manifest, isLast ? (made.sizeBytes ?? 0) : 0)
    const file = `${name}-${version}.tgz`
    writeFileSync(path.join(dir, file), tarball)
    const shasum = createHash('sha1').update(tarball).digest('hex')
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
    const dist = { integrity, shasum, tarball: `http://localhost:4873/${name}/-/${file}` }
    versions[version] = { ...manifest, _id: `${name}@${version}`, dist, contributors: [] }
    attachments[file] = { shasum, version }
    time[version] = new Date(Date.UTC(2020, 0, 1) + index * 3_600_000).toISOString()
  }
  const times = Object.values(time)
  const document = {
    name,
    versions,
    time: { modified: times.at(-1), created: times[0], ...time },
    users: {},
    'dist-tags': { latest: `1.${made.versions - 1}.0` },
    _uplinks: {},
    _distfiles: {},
    _attachments: attachments,
    _rev: '1-0000000000000000',
    _id: name,
    readme: `# ${name}\n`,
  }
  writeFileSync(path.join(dir, 'package.json'), JSON.stringify(document))
}

/** What a publisher says of a version. */
export function manifestOf({ name, dependencies = [], developmentDependencies = 0 }: MadePackage, version: string) {
  const needs = (names: readonly string[]) => Object.fromEntries(names.map((needed) => [needed, '^1.0.0']))
  const development = Array.from({ length: developmentDependencies }, (_, index) => `development-tool-${index}`)
  return {
    name,
    version,
    description: 'a package that was made to be measured',
    keywords: ['made', 'measured'],
    license: 'MIT',
    author: { name: 'Somebody', email: 'somebody@example.org' },
    homepage: `https://example.org/${name}`,
    repository: { type: 'git', url: `git+https://example.org/${name}.git` },
    main: 'index.js',
    bin: { [name]: 'index.js' },
    engines: { node: '>=18' },
    scripts: { build: 'tsc --build', test: 'node --test', lint: 'eslint .' },
    dependencies: needs(dependencies),
    devDependencies: needs(development),
    gitHead: createHash('sha1').update(`${name}@${version}`).digest('hex'),
  }
}

function tarballOf(manifest: object, sizeBytes: number): Buffer {
  const parts = Array.from({ length: sizeBytes === 0 ? 0 : 20 }, (_, index) => ({
    name: `package/lib/part-${index}.js`,
    content: `// ${randomBytes(sizeBytes / 40).toString('hex')}\n`,
  }))
  return tarGz([
    { name: 'package/package.json', content: JSON.stringify(manifest) },
    { name: 'package/index.js', content: "'use strict'\n" },
    ...parts,
  ])
}
