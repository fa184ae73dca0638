import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { expect, it } from 'vitest'

import { readLock, type ReadLock } from '../../protocols/python/locks/read-lock.ts'
import { describeWith, have } from '../helpers/have.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { installedValues, PYTHON_LOCKERS } from '../helpers/python-installers.ts'
import { pythonFolder, upload, type PythonFolder } from '../helpers/python-project.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { buildSdist, buildWheel } from '../helpers/wheel.ts'
import { startWorld } from '../helpers/world.ts'

const LIMIT_MS = 180_000

const LIBRARY = {
  name: 'My.Pkg_x',
  version: '1.0',
  requires: ['deep-one>=1', 'only-windows; sys_platform == "win32"'],
  requiresPython: '>=3.8',
}
const FILES = [
  buildWheel(LIBRARY),
  buildWheel({ ...LIBRARY, tag: 'cp39-cp39-win_amd64' }),
  buildSdist(LIBRARY),
  buildWheel({ name: 'deep-one', version: '2.0+local.1' }),
  buildWheel({ name: 'only-windows', version: '1.5' }),
  buildWheel({
    name: 'extra-x',
    version: '1.0',
    requires: ['fast-x; extra == "fast"'],
    headers: ['Provides-Extra: fast'],
  }),
  buildWheel({ name: 'fast-x', version: '3' }),
]
const REQUIREMENTS = ['My.Pkg_x==1.0', 'extra-x']
const MODULES = ['my_pkg_x', 'deep_one', 'extra_x']
const VALUES = ['1.0', '2.0+local.1', '1.0']

/** Everything that a lock names, as `project filename or version sha256`. */
function named({ files, versions }: ReadLock): string[] {
  return [
    ...files.map(({ filename, hashes }) => `${filename} sha256:${hashes.sha256}`),
    ...versions.flatMap(({ project, version, hashes, filenames }) =>
      filenames === undefined
        ? hashes.map((hash) => `${project} ${version} ${hash}`)
        : filenames.map(({ filename, hash }) => `${filename} ${hash}`),
    ),
  ].toSorted()
}

for (const locker of PYTHON_LOCKERS) {
  describeWith([locker.part, 'python'], `e2e: a lock file of ${locker.name}`, () => {
    it('is read with every file and hash that it has', { timeout: LIMIT_MS }, async () => {
      await using world = await startWorld()
      for (const file of FILES) await upload(world.url, file)
      await using client = await pythonClient()
      const folder = await pythonFolder(client, world.url, 'app', locker.project(world.url, REQUIREMENTS))
      expect(await locker.lock(folder)).toMatchObject({ status: 0 })
      const file = path.join(folder.path, locker.lockFile)
      const lock = readLock(file, await readFile(file, 'utf8'))
      const wheels = FILES.filter(({ filename }) => /^(?:my_pkg_x|deep_one|extra_x)/.test(filename))
      const hashesOf = (all: readonly { readonly sha256: string }[]) => all.map(({ sha256 }) => `sha256:${sha256}`)
      for (const hash of hashesOf(wheels)) expect(named(lock).join('\n')).toContain(hash)
      for (const line of named(lock)) expect(hashesOf(FILES)).toContain(line.split(' ').at(-1))
      expect([...lock.files, ...lock.versions].map(({ project, version }) => `${project}==${version}`)).toEqual(
        expect.arrayContaining(['my-pkg-x==1.0', 'deep-one==2.0+local.1', 'extra-x==1.0']),
      )
      expect(lock.requirements).toEqual([])
      expect(lock.others).toEqual([])
    })
  })
}

describeWith(['uv', 'pip', 'python'], 'e2e: depot python rewrite-lock', () => {
  it(
    'lets uv sync and pip install from a depot what another index locked that is gone',
    { timeout: LIMIT_MS },
    async () => {
      await using inside = await startWorld()
      await using client = await pythonClient()
      await using saved = await tempDir('carried')
      const { uv, pip, python } = have.paths
      const files = {
        'pyproject.toml': `[project]\nname = "app"\nversion = "0"\nrequires-python = ">=3.9"\ndependencies = ${JSON.stringify(REQUIREMENTS)}\n`,
      }
      const folder = await lockedOutside(async (url) => {
        const made = await pythonFolder(client, url, 'app', files)
        await made.ok(uv, 'lock', '--python', python)
        await made.ok(uv, 'export', '--format', 'pylock.toml', '--no-emit-project', '-o', 'pylock.toml')
        return made
      })
      for (const { filename, bytes } of FILES) {
        const at = saved.join(filename.split('-')[0] ?? '', filename)
        await mkdir(path.dirname(at), { recursive: true })
        await writeFile(at, bytes)
      }
      const pushed = await runDepot(['python', 'push', inside.url, '--dir', saved.path])
      expect(pushed).toMatchObject({ status: 0 })
      const inner = await pythonFolder(client, inside.url, 'inner', files)
      for (const name of ['uv.lock', 'pylock.toml'])
        await copyFile(path.join(folder.path, name), path.join(inner.path, name))
      const gone = await inner.run(uv, 'sync', '--frozen', '--python', python, '--no-cache')
      expect(gone.status).not.toBe(0)
      const locks = ['uv.lock', 'pylock.toml'].map((name) => path.join(inner.path, name))
      expect(await runDepot(['python', 'rewrite-lock', '--check', ...locks, inside.url])).toMatchObject({ status: 1 })
      expect(await runDepot(['python', 'rewrite-lock', ...locks, inside.url])).toMatchObject({ status: 0 })
      expect(await runDepot(['python', 'rewrite-lock', '--check', ...locks, inside.url])).toMatchObject({ status: 0 })
      await inner.ok(uv, 'sync', '--frozen', '--python', python, '--no-cache')
      expect(await installedValues(inner, '.venv', MODULES)).toEqual(VALUES)
      // What it would write itself for this index.
      await inner.ok(uv, 'lock', '--check', '--python', python, '--no-cache')
      await inner.ok(pip, 'install', '--no-cache-dir', '--target', 'target', '-r', 'pylock.toml')
      expect(await installedValues(inner, 'target', MODULES)).toEqual(VALUES)
      expect(inside.bugs).toEqual([])
    },
  )
})

/** What somebody locks against an index, which is gone afterwards. */
async function lockedOutside(lock: (url: string) => Promise<PythonFolder>): Promise<PythonFolder> {
  await using outside = await startWorld()
  for (const file of FILES) await upload(outside.url, file)
  // Before it is gone.
  return await lock(outside.url)
}
