import { execFile } from 'node:child_process'
import { cp, mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { cleanEnv } from './clean-env.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const execute = promisify(execFile)

/**
 * Build this checkout and pack it as npm would publish it, apart from the `dist` of the checkout. Returns the tarball.
 *
 * @param folder an empty one, which exists
 * @param npm a npm-cli.js
 */
export async function packDepot(folder: string, npm: string): Promise<string> {
  const published = path.join(folder, 'published')
  await execute(process.execPath, [path.join(ROOT, '.ci', 'build.ts'), path.join(published, 'dist')], { cwd: ROOT })
  const { files } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as { files: readonly string[] }
  for (const file of ['package.json', ...files.filter((name) => name !== 'dist')]) {
    await mkdir(path.dirname(path.join(published, file)), { recursive: true })
    await cp(path.join(ROOT, file), path.join(published, file))
  }
  const { stdout } = await execute(process.execPath, [npm, 'pack', '--silent', '--pack-destination', folder], {
    cwd: published,
    env: cleanEnv(path.join(folder, 'home')),
  })
  return path.join(folder, stdout.trim())
}
