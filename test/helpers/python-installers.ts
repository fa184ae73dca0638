import path from 'node:path'

import type { Part } from './detect.ts'
import { have } from './have.ts'
import type { PythonFolder } from './python-project.ts'

/** A program that installs a list of requirements into a folder. */
export interface PythonInstaller {
  readonly part: Part
  readonly name: string
  /** Install what `requirements.txt` lists into `target`. */
  install(folder: PythonFolder, ...args: readonly string[]): ReturnType<PythonFolder['run']>
  /** What its user reads when a name is not there. */
  readonly missing: RegExp
  /** How it is told to pass over what was uploaded in the last year, when it can be. */
  readonly cooldown?: Cooldown
}

const { uv, poetry, pdm, pipenv, pipTools, python } = have.paths
/** Arguments, or files beside the project's own. */
export interface Cooldown {
  readonly args?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
}

const LONG_AGO = '2025-01-01T00:00:00Z'

const PIP_MISSING = /No matching distribution found for absent-one/

function pip(part: Part, name: string): PythonInstaller {
  const install: PythonInstaller['install'] = (folder, ...args) =>
    folder.run(have.paths[part], 'install', '--target', 'target', '-r', 'requirements.txt', ...args)
  return { part, name, install, missing: PIP_MISSING }
}

/** Every generation of pip that reads an index in its own way, and uv in pip's place. */
export const PYTHON_INSTALLERS: readonly PythonInstaller[] = [
  pip('pip19', 'pip 19'),
  pip('pipOld', 'pip 21'),
  pip('pip22', 'pip 22'),
  pip('pip23', 'pip 23.0'),
  pip('pip23Late', 'pip 23.2'),
  pip('pip24', 'pip 24'),
  pip('pip25', 'pip 25'),
  { ...pip('pip', 'pip 26'), cooldown: { args: ['--uploaded-prior-to', LONG_AGO] } },
  {
    part: 'uv',
    name: 'uv pip',
    install: (folder, ...args) =>
      folder.run(uv, 'pip', 'install', '--python', python, '--target', 'target', '-r', 'requirements.txt', ...args),
    missing: /absent-one was not found in the package registry/,
    cooldown: { args: ['--exclude-newer', LONG_AGO] },
  },
]

/** A program that writes a lock file for a project, and installs from it. */
export interface PythonLocker {
  readonly part: Part
  readonly name: string
  /** The project's own files. */
  project(url: string, requirements: readonly string[]): Readonly<Record<string, string>>
  readonly lockFile: string
  lock(folder: PythonFolder, ...args: readonly string[]): ReturnType<PythonFolder['run']>
  /** Install what the lock file says into `.venv`, and nothing else. */
  sync(folder: PythonFolder): Promise<unknown>
  /** What its user reads when a name is not there. */
  readonly missing: RegExp
  /** How it is told to pass over what was uploaded in the last year, when it can be. */
  readonly cooldown?: Cooldown
}

export const PYTHON_LOCKERS: readonly PythonLocker[] = [
  {
    part: 'uv',
    name: 'uv',
    project: (_url, requirements) => ({ 'pyproject.toml': pyproject(requirements) }),
    lockFile: 'uv.lock',
    lock: (folder, ...args) => folder.run(uv, 'lock', '--python', python, ...args),
    sync: (folder) => folder.ok(uv, 'sync', '--frozen', '--python', python),
    missing: /absent-one was not found in the package registry/,
    cooldown: { args: ['--exclude-newer', LONG_AGO] },
  },
  {
    part: 'poetry',
    name: 'poetry',
    project: (url, requirements) => ({
      'pyproject.toml': `${pyproject(requirements)}
[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "depot"
url = "${url}/python/simple/"
priority = "primary"
`,
    }),
    lockFile: 'poetry.lock',
    lock: (folder) => folder.run(poetry, 'lock', '-n'),
    sync: (folder) => folder.ok(poetry, 'install', '-n'),
    missing: /depends on absent-one \(\*\) which doesn't match any versions/,
    cooldown: { files: { 'poetry.toml': '[solver]\nmin-release-age = 365\n' } },
  },
  {
    part: 'pdm',
    name: 'pdm',
    project: (_url, requirements) => ({ 'pyproject.toml': pyproject(requirements) }),
    lockFile: 'pdm.lock',
    lock: (folder, ...args) => folder.run(pdm, 'lock', ...args),
    sync: (folder) => folder.ok(pdm, 'sync'),
    missing: /Unable to find candidates for absent-one/,
    cooldown: { args: ['--exclude-newer', LONG_AGO] },
  },
  {
    part: 'pipenv',
    name: 'pipenv',
    project: (url, requirements) => ({ Pipfile: pipfile(url, requirements) }),
    lockFile: 'Pipfile.lock',
    lock: (folder) => folder.run(pipenv, 'lock'),
    sync: (folder) => folder.ok(pipenv, 'sync'),
    missing: /No matching distribution found for absent-one/,
  },
  {
    part: 'pipTools',
    name: 'pip-tools',
    project: (_url, requirements) => ({ 'requirements.in': `${requirements.join('\n')}\n` }),
    lockFile: 'requirements.txt',
    lock: (folder) => folder.run(pipTools, '--generate-hashes', '--no-emit-index-url', 'requirements.in'),
    async sync(folder) {
      // pip-sync wants a pip in the environment that it fills.
      await folder.ok(python, '-m', 'venv', '.venv')
      await folder.ok(path.join(path.dirname(pipTools), 'pip-sync'), '--python-executable', VENV_PYTHON)
    },
    missing: /No matching distribution found for absent-one/,
  },
]

const VENV_PYTHON = '.venv/bin/python'

/** The VALUE of modules that were installed into `target` or `.venv`. */
export async function installedValues(
  folder: PythonFolder,
  into: 'target' | '.venv',
  modules: readonly string[],
): Promise<string[]> {
  const values = modules.map((module) => `__import__(${JSON.stringify(module)}).VALUE`)
  const code = `import sys; sys.path.insert(0, ${JSON.stringify(into)}); print(*[${values.join(', ')}], sep="\\n")`
  const output = await folder.ok(into === 'target' ? python : path.join(folder.path, VENV_PYTHON), '-c', code)
  return output.trim().split('\n')
}

function pyproject(requirements: readonly string[]): string {
  return `[project]
name = "app"
version = "0"
requires-python = ">=3.9"
dependencies = ${JSON.stringify(requirements)}
`
}

function pipfile(url: string, requirements: readonly string[]): string {
  const packages = requirements.map((requirement) => {
    const [name = '', version] = requirement.split('==')
    return `${JSON.stringify(name)} = ${JSON.stringify(version === undefined ? '*' : `==${version}`)}`
  })
  return `[[source]]
name = "depot"
url = "${url}/python/simple/"
verify_ssl = false

[packages]
${packages.join('\n')}
`
}
