import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

import { have } from './have.ts'
import type { PythonClient, Ran } from './python-client.ts'
import { postForm, uploadForm } from './python-upload.ts'
import { coreMetadata, moduleName, type BuiltFile } from './wheel.ts'

/** A folder of a person's machine, and every Python client in it pointed at one depot. */
export interface PythonFolder {
  readonly path: string
  /** Run a program in it. */
  run(program: string, ...args: readonly string[]): Promise<Ran>
  /** As `run`, but a failure of the program is one of the test. */
  ok(program: string, ...args: readonly string[]): Promise<string>
}

/** @param url the depot's own */
export async function pythonFolder(
  client: PythonClient,
  url: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<PythonFolder> {
  for (const [file, content] of Object.entries(files)) await client.write(path.join(name, file), content)
  const folder = client.join(name)
  const env = settings(url)
  const run: PythonFolder['run'] = (program, ...args) => client.run(program, args, env, folder)
  return {
    path: folder,
    run,
    async ok(program, ...args) {
      const { status, output } = await run(program, ...args)
      if (status !== 0) throw new Error(`${path.basename(program)} ${args.join(' ')} ended with ${status}:\n${output}`)
      return output
    },
  }
}

/** Where to install from and where to publish, in the words of every client. They want some token, although the depot asks for none. */
function settings(url: string): Record<string, string> {
  const index = `${url}/python/simple/`
  const upload = `${url}/python/legacy/`
  const token = { user: '__token__', password: 'any' }
  return {
    PIP_INDEX_URL: index,
    UV_DEFAULT_INDEX: index,
    UV_PUBLISH_URL: upload,
    UV_PUBLISH_TOKEN: token.password,
    TWINE_REPOSITORY_URL: upload,
    TWINE_USERNAME: token.user,
    TWINE_PASSWORD: token.password,
    POETRY_REPOSITORIES_DEPOT_URL: upload,
    POETRY_HTTP_BASIC_DEPOT_USERNAME: token.user,
    POETRY_HTTP_BASIC_DEPOT_PASSWORD: token.password,
    POETRY_VIRTUALENVS_IN_PROJECT: 'true',
    PDM_PYPI_URL: index,
    PDM_CHECK_UPDATE: '0',
    PDM_NON_INTERACTIVE: '1',
    PDM_PUBLISH_REPO: upload,
    PDM_PUBLISH_USERNAME: token.user,
    PDM_PUBLISH_PASSWORD: token.password,
    HATCH_INDEX_REPO: upload,
    HATCH_INDEX_USER: token.user,
    HATCH_INDEX_AUTH: token.password,
    FLIT_INDEX_URL: upload,
    FLIT_USERNAME: token.user,
    FLIT_PASSWORD: token.password,
    PIPENV_PYPI_MIRROR: index,
    PIPENV_VENV_IN_PROJECT: '1',
    PIPENV_IGNORE_VIRTUALENVS: '1',
    PIPENV_NOSPIN: '1',
    PIPENV_PYTHON: have.paths.python,
  }
}

/** Upload files of the fixtures. @throws Error when the depot refuses one */
export async function upload(url: string, ...files: readonly BuiltFile[]): Promise<void> {
  for (const file of files) {
    const response = await postForm(url, uploadForm(file))
    if (response.status !== 200) throw new Error(`${file.filename}: ${response.status} ${await response.text()}`)
  }
}

/** Fill a depot with the build backends, so that nothing else is needed to build an sdist. */
export async function uploadBackends(url: string): Promise<void> {
  const folder = have.paths.backends
  for (const filename of (await readdir(folder)).filter((name) => name.endsWith('.whl'))) {
    const [name = '', version = ''] = filename.split('-')
    const bytes = await readFile(path.join(folder, filename))
    const metadata = coreMetadata({ name, version })
    const response = await postForm(
      url,
      uploadForm({ filename, bytes, metadata, sha256: '' }, { sha256_digest: undefined }),
    )
    if (response.status !== 200) throw new Error(`${filename}: ${response.status} ${await response.text()}`)
  }
}

/** A project of one package, `src/<module>`, whose VALUE tells what was installed. */
export function projectFiles(name: string, value: string, pyproject: string): Record<string, string> {
  return {
    'pyproject.toml': pyproject,
    'README.md': `# ${name}\n`,
    [`src/${moduleName(name)}/__init__.py`]: `"""A package of the tests."""\nVALUE = ${JSON.stringify(value)}\n`,
  }
}
