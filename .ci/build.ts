/**
 * `npm run build`: what is published, in `dist/` or the folder that is named. Everything that is plain JavaScript becomes part of it,
 * so that an installation brings only the two packages that are compiled code; what they ship for every platform is most of its size.
 */
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { rolldown, type Plugin, type RolldownOutput } from 'rolldown'

const ROOT = path.dirname(import.meta.dirname)
const TARGET = path.resolve(process.argv[2] ?? path.join(ROOT, 'dist'))
/** All files lie beside one another, so that what the sources find relative to themselves is found here as well. */
const OUTPUT = path.join(TARGET, 'cmd')
/** Compiled code: installed from the registry, each with the builds for every platform. */
const NATIVE = ['better-sqlite3', 'lzma-native']
/** How the sources load a package as CommonJS, and name the file that a thread or a process starts with. */
const LOADED = /(?:createRequire\(import\.meta\.url\)|loadDrizzle)\('/g
const STARTED = /new URL\(`(\.{1,2}\/[\w./-]+)\$\{extname\(import\.meta\.url\)\}`, import\.meta\.url\)/g
/** Licences whose text names nobody. */
const SHARED: ReadonlySet<string> = new Set(['Apache-2.0', 'Unlicense'])
const PACKAGE_FOLDER = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/

await rm(TARGET, { recursive: true, force: true })
const bundle = await rolldown({
  cwd: ROOT,
  input: { depot: 'cmd/depot.ts' },
  platform: 'node',
  external: NATIVE,
  plugins: [requires(), workers()],
})
const { output } = await bundle.write({
  dir: OUTPUT,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
})
refuseForeignImports(output)
await cp(path.join(ROOT, 'storage/kv/migrations'), path.join(OUTPUT, 'migrations'), { recursive: true })
await writeFile(path.join(TARGET, 'THIRD-PARTY.txt'), await notices(output))

/** What the sources load as CommonJS becomes part of the build in that form. */
function requires(): Plugin {
  return {
    name: 'requires',
    transform: (code, id) => (id.startsWith(path.join(ROOT, 'storage')) ? code.replaceAll(LOADED, "require('") : null),
  }
}

/** What a thread or a process starts with is named by its file, which the bundler does not follow by itself. */
function workers(): Plugin {
  return {
    name: 'workers',
    transform(code, id) {
      return code.replaceAll(STARTED, (_, name: string) => {
        const fileName = `${path.basename(name)}.js`
        this.emitFile({ type: 'chunk', id: path.join(path.dirname(id), `${name}.ts`), fileName })
        return `new URL('./${fileName}', import.meta.url)`
      })
    },
  }
}

/** @throws Error when the build would look for a package that is not installed with it */
function refuseForeignImports(chunks: RolldownOutput['output']): void {
  for (const chunk of chunks) {
    if (chunk.type !== 'chunk') continue
    const known = new Set([...chunks.map(({ fileName }) => fileName), ...NATIVE])
    const foreign = [...chunk.imports, ...chunk.dynamicImports].filter(
      (name) => !known.has(name) && !name.startsWith('node:'),
    )
    if (foreign.length > 0) throw new Error(`${chunk.fileName} imports ${foreign.join(', ')}`)
    if (chunk.code.search(LOADED) !== -1 || chunk.code.includes('extname(import.meta.url)')) {
      throw new Error(`${chunk.fileName} loads by name what the build does not contain`)
    }
  }
}

/** The licences of what became part of the build, as they ask for. @throws Error when a package has none */
async function notices(chunks: RolldownOutput['output']): Promise<string> {
  const modules = chunks.flatMap((chunk) => (chunk.type === 'chunk' ? Object.keys(chunk.modules) : []))
  const folders = new Set(modules.map((id) => PACKAGE_FOLDER.exec(id)?.[0]).filter((folder) => folder !== undefined))
  const all = await Promise.all([...folders].sort().map(licenceOf))
  const texts = all.map(({ name, licence, text }) => {
    // Some bring no text; one that names nobody is the same at another package.
    const other = all.find((each) => each.licence === licence && each.text !== '')
    const shared = SHARED.has(licence) ? other && `The text is that of ${other.name}.` : undefined
    if (text === '' && shared === undefined) throw new Error(`no licence of ${name}`)
    const title = `${name} (${licence})`
    return [title, '='.repeat(title.length), '', text || shared, ''].join('\n')
  })
  return `Depot contains these packages, each under its own licence.\n\n${texts.join('\n')}`
}

interface Licence {
  /** Of the package, with its version. */
  readonly name: string
  readonly licence: string
  readonly text: string
}

/** The text stands in files of its own, or in a chapter of the README. */
async function licenceOf(folder: string): Promise<Licence> {
  const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Record<string, unknown>
  const names = await readdir(folder)
  const files = names.filter((name) => /^(?:(?:un)?licen[cs]e|copying|notice)/i.test(name)).sort()
  const texts = await Promise.all(files.map((name) => readFile(path.join(folder, name), 'utf8')))
  const readme = names.includes('README.md') ? await readFile(path.join(folder, 'README.md'), 'utf8') : ''
  const chapter = /^#+ licen[cs]e\s+(?<text>.*copyright.*)/ims.exec(readme)?.groups?.['text'] ?? ''
  return {
    name: `${String(manifest['name'])} ${String(manifest['version'])}`,
    licence: String(manifest['license']),
    text: (texts.join('\n') || chapter).trim(),
  }
}
