import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

/** Imports go from a higher rank to a lower one, never sideways. */
const RANK: Readonly<Record<string, number>> = { cmd: 2, protocols: 1, storage: 1, auth: 1, src: 0 }

/** What runs on any JavaScript runtime with Node's pure modules; everything else of Node touches the host. */
const PURE_NODE = ['crypto', 'buffer', 'stream', 'zlib', 'util']

/** Keys lie in files and in agents behind a socket; programs and HTTP are for others. */
const AUTH_NODE = ['fs', 'net', 'path']

/** Packages that touch the host or belong to one job, and the folders that may use them. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  'better-sqlite3': ['storage'],
  'drizzle-orm': ['storage'],
  postgres: ['storage'],
  '@aws-sdk/client-s3': ['storage'],
  '@aws-sdk/s3-request-presigner': ['storage'],
  jose: ['auth'],
  sshpk: ['auth'],
  'lzma-native': ['src/node'],
  '@hono/node-server': ['src/node'],
  pino: ['src/node', 'cmd'],
  citty: ['cmd'],
}

const files = globSync(`{${Object.keys(RANK).join(',')}}/**/*.ts`)
const sources = files.map((file) => ({ file, text: withoutComments(readFileSync(file, 'utf8')) }))

describe('the boundaries of the code', () => {
  it('are looked for in every folder that has code', () => {
    const folders = new Set(files.map((file) => file.split(path.sep)[0]))
    expect([...folders]).toEqual(expect.arrayContaining(['auth', 'cmd', 'protocols', 'src', 'storage']))
    expect(sources.flatMap(({ text }) => specifiers(text)).length).toBeGreaterThan(100)
  })

  it('let imports point one way: cmd -> { protocols, storage, auth } -> src', () => {
    expect(
      breaches(({ file, specifier }) => specifier.startsWith('.') && !mayImport(file, target(file, specifier))),
    ).toEqual([])
  })

  it('keep all but the pure modules of Node in cmd, storage, auth and src/node', () => {
    expect(breaches(({ file, specifier }) => specifier.startsWith('node:') && !mayUseNode(file, specifier))).toEqual([])
  })

  it('keep packages that touch the host where they belong', () => {
    expect(breaches(({ file, specifier }) => !mayUsePackage(file, specifier))).toEqual([])
  })

  it('let only cmd and src/node read arguments, environment and exit status', () => {
    const readers = sources.filter(({ file, text }) => !inside(file, ['cmd', 'src/node']) && readsProcess(text))
    expect(readers.map(({ file }) => file)).toEqual([])
    expect(readsProcess(`const home = process.env['HOME']`)).toBe(true)
    expect(readsProcess(`import { env, pid } from 'node:process'`)).toBe(true)
    expect(readsProcess(`import { kill, pid } from 'node:process'`)).toBe(false)
  })

  it.each([
    ['src/depot.ts', 'storage/blob/fs/store.ts'],
    ['src/app.ts', 'cmd/serve.ts'],
    ['protocols/npm/index.ts', 'storage/open.ts'],
    ['protocols/npm/index.ts', 'protocols/python/index.ts'],
    ['storage/open.ts', 'auth/grants.ts'],
    ['src/depot.ts', 'test/helpers/world.ts'],
  ])('would refuse that %s imports %s', (from, to) => {
    expect(mayImport(from, to)).toBe(false)
  })

  it('would see each way to import', () => {
    const ways = `import a from './a.ts'\nimport './b.ts'\nexport { c } from './c.ts'\nawait import('./d.ts')\nnew URL('./e.ts', import.meta.url)\nnew URL('../f.json', import.meta.url)`
    expect(specifiers(ways)).toEqual(['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts'])
    expect(specifiers(`const load = createRequire(import.meta.url)\nrequire('x')`)).toEqual(['x'])
    expect(specifiers(withoutComments(`// from './a.ts'\n/* import './b.ts' */`))).toEqual([])
  })

  it('would refuse a file system, a native addon or a database outside its home', () => {
    expect(mayUseNode('src/depot.ts', 'node:fs/promises')).toBe(false)
    expect(mayUseNode('protocols/nix/narinfo.ts', 'node:process')).toBe(false)
    expect(mayUseNode('auth/ssh-agent.ts', 'node:child_process')).toBe(false)
    expect(mayUseNode('src/access.ts', 'node:net')).toBe(false)
    expect(mayUsePackage('src/access.ts', 'sshpk')).toBe(false)
    expect(mayUsePackage('src/codec/xz.ts', 'lzma-native')).toBe(false)
    expect(mayUsePackage('protocols/npm/save.ts', 'drizzle-orm/pg-core')).toBe(false)
  })
})

interface Import {
  readonly file: string
  readonly specifier: string
}

function breaches(isBreach: (found: Import) => boolean): string[] {
  const imports = sources.flatMap(({ file, text }) => specifiers(text).map((specifier) => ({ file, specifier })))
  return imports.filter(isBreach).map(({ file, specifier }) => `${file} -> ${specifier}`)
}

function mayImport(file: string, to: string): boolean {
  const [fromFolder = '', ecosystem = ''] = file.split(path.sep)
  const [toFolder = '', other = ''] = to.split(path.sep)
  if (fromFolder !== toFolder) return (RANK[toFolder] ?? Infinity) < (RANK[fromFolder] ?? 0)
  return fromFolder !== 'protocols' || ecosystem === 'index.ts' || ecosystem === other
}

function mayUseNode(file: string, specifier: string): boolean {
  const [name = ''] = specifier.slice('node:'.length).split('/')
  if (inside(file, ['cmd', 'src/node'])) return true
  if (inside(file, ['storage'])) return !['http', 'https', 'child_process'].includes(name)
  if (inside(file, ['auth']) && AUTH_NODE.includes(name)) return true
  return PURE_NODE.includes(name)
}

function mayUsePackage(file: string, specifier: string): boolean {
  const parts = specifier.split('/')
  const name = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
  const homes = Object.hasOwn(HOMES, name) ? HOMES[name] : undefined
  return homes === undefined || inside(file, homes)
}

function readsProcess(text: string): boolean {
  return /\bprocess\.\w|import (?:process|[^;'\n]*\b(?:argv|env|exit|exitCode)\b[^;'\n]*) from 'node:process'/.test(
    text,
  )
}

function inside(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => file.startsWith(`${folder}/`))
}

function target(file: string, specifier: string): string {
  return path.join(path.dirname(file), specifier)
}

function specifiers(text: string): string[] {
  const found = text.matchAll(
    /(?:\b(?:from|import)\s*\(?\s*|\brequire\(|\bnew URL\((?=['"][^'"]+\.[jt]s['"]))(['"])(?<specifier>[^'"]+)\1/g,
  )
  return [...found].map(({ groups }) => groups?.['specifier'] ?? '')
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '')
}
