import { readdir } from 'node:fs/promises'
import path from 'node:path'

import type { Part } from './detect.ts'
import { have } from './have.ts'
import type { Ran } from './python-client.ts'
import type { PythonFolder } from './python-project.ts'

/** A program that builds a project with a backend of its own kind, and publishes it. */
export interface PythonPublisher {
  readonly part: Part
  /** What is needed beside it. */
  readonly with?: readonly Part[]
  /** Name of what it publishes, as its author spells it. */
  readonly project: string
  /** Build requirement, build backend. */
  readonly backend: readonly [string, string]
  /** What the backend must be told besides. */
  readonly options?: string
  /** Make a wheel and an sdist in `dist`. */
  build(folder: PythonFolder): Promise<unknown>
  publish(folder: PythonFolder, ...args: readonly string[]): Promise<Ran>
  /** What its user reads when the name is taken by other bytes. */
  readonly taken: RegExp
  /** How it is told to pass over what is there, and what it says then. */
  readonly skip?: { readonly args: readonly string[]; readonly says: RegExp }
}

/** What each of them publishes: legal for an index of one's own, though not for PyPI. */
export const PUBLISHED_VERSION = '1.0+local.1'

/** The name that all of their projects depend on. */
export const SHARED = 'Shared.Lib_x'

const { twine, uv, poetry, pdm, hatch, flit, pipTools } = have.paths

export const PYTHON_PUBLISHERS: readonly PythonPublisher[] = [
  {
    part: 'twine',
    with: ['pipTools'],
    project: 'My.Twine_x',
    backend: ['setuptools', 'setuptools.build_meta'],
    build: (folder) => folder.ok(path.join(path.dirname(pipTools), 'pyproject-build')),
    publish: async (folder) => folder.run(twine, 'upload', '--disable-progress-bar', ...(await built(folder))),
    taken: /HTTPError: 409 Conflict [^]* File already exists \(my_twine_x-1\.0\+local\.1/,
  },
  {
    part: 'uv',
    project: 'My.Uv_x',
    backend: ['uv_build>=0.13,<0.14', 'uv_build'],
    build: (folder) => folder.ok(uv, 'build'),
    publish: (folder, ...args) => folder.run(uv, 'publish', ...args),
    taken: /409 .*\. Server says: File already exists \(my_uv_x-1\.0\+local\.1/,
  },
  {
    part: 'poetry',
    project: 'My.Poetry_x',
    backend: ['poetry-core', 'poetry.core.masonry.api'],
    options: '[tool.poetry]\npackages = [{ include = "my_poetry_x", from = "src" }]\n',
    build: (folder) => folder.ok(poetry, 'build', '-n'),
    publish: (folder, ...args) => folder.run(poetry, 'publish', '-n', '-r', 'depot', ...args),
    taken: /HTTP Error 409: .* \| b'File already exists \(my_poetry_x-1\.0\+local\.1/,
    skip: { args: ['--skip-existing'], says: /my_poetry_x-1\.0\+local\.1\S* File exists\. Skipping/ },
  },
  {
    part: 'pdm',
    project: 'My.Pdm_x',
    backend: ['pdm-backend', 'pdm.backend'],
    build: (folder) => folder.ok(pdm, 'build'),
    publish: (folder, ...args) => folder.run(pdm, 'publish', '--no-build', ...args),
    // It shows the number alone.
    taken: /PublishError.*409/,
    skip: {
      args: ['--skip-existing'],
      says: /Skipping my_pdm_x-1\.0\+local\.1\S* because it appears to already exist/,
    },
  },
  {
    part: 'hatch',
    project: 'My.Hatch_x',
    backend: ['hatchling', 'hatchling.build'],
    build: (folder) => folder.ok(hatch, 'build'),
    publish: (folder) => folder.run(hatch, 'publish'),
    taken: /Error uploading to repository: [^]*'409 File already exists \(my_hatch_x-1\.0\+local\.1/,
  },
  {
    part: 'flit',
    project: 'my_flit_x',
    backend: ['flit_core', 'flit_core.buildapi'],
    // It builds what it publishes.
    build: () => Promise.resolve(),
    publish: (folder) => folder.run(flit, 'publish'),
    taken: /HTTPError: 409 Client Error: File already exists \(my_flit_x-1\.0\+local\.1/,
  },
]

/** The pyproject.toml of what a publisher publishes. */
export function pyprojectOf({ project, backend: [requirement, module], options = '' }: PythonPublisher): string {
  return `[project]
name = "${project}"
version = "${PUBLISHED_VERSION}"
description = "made by a test"
readme = "README.md"
requires-python = ">=3.8"
dependencies = ["${SHARED}>=1.0,<2"]
${'' /* an extra that nobody asks for must not be looked up */}
[project.optional-dependencies]
never = ["not-there-at-all"]

[build-system]
requires = ["${requirement}"]
build-backend = "${module}"

${options}`
}

async function built(folder: PythonFolder): Promise<string[]> {
  return (await readdir(path.join(folder.path, 'dist'))).map((file) => path.join('dist', file))
}
