import { execFile } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { startDevpi, startPypiserver } from '../bench/peers.ts'
import { have } from './have.ts'
import { npmClient } from './npm-client.ts'
import { pythonClient } from './python-client.ts'
import type { TempDir } from './temp-dir.ts'
import { startVerdaccio } from './verdaccio.ts'
import { buildWheel } from './wheel.ts'

const execute = promisify(execFile)

/**
 * What a team has that moves: `~/verdaccio/storage`, `~/pypiserver/packages` and `~/devpi/server`, filled by the clients through
 * these servers; the projects of a package each, `~/button` and `~/demo`; and `~/app`, which is locked to what Verdaccio had.
 */
export async function fillOldServers(home: TempDir): Promise<void> {
  await fillVerdaccio(home)
  await using client = await pythonClient()
  const upload = ['upload', '--disable-progress-bar', '-u', 'root', '-p', 'secret', '--repository-url']
  const demo = home.join('demo')
  await client.ok(have.paths.uv, ['init', '--quiet', '--lib', '--python', have.paths.python, '--name', 'my-demo', demo])
  await client.ok(have.paths.uv, ['build', '--quiet', '--python', have.paths.python, demo])
  const folder = home.join('pypiserver', 'packages')
  await mkdir(folder, { recursive: true })
  {
    await using server = await startPypiserver(folder)
    const built = ['my_demo-0.1.0-py3-none-any.whl', 'my_demo-0.1.0.tar.gz'].map((file) =>
      home.join('demo', 'dist', file),
    )
    await client.ok(have.paths.twine, [...upload, server.url, ...built])
  }
  await mkdir(home.join('devpi'))
  await using server = await startDevpi(home.join('devpi'))
  const tool = await client.save(buildWheel({ name: 'old-tool', version: '3.0' }))
  await client.ok(have.paths.twine, [...upload, `${await server.index('dev')}/`, ...tool])
}

async function fillVerdaccio(home: TempDir): Promise<void> {
  await using verdaccio = await startVerdaccio()
  await using npm = await npmClient('npm', verdaccio.url)
  const button = await npm.folder('button', { name: '@acme/button', version: '1.0.0' }, { 'index.js': '' })
  await npm.run(button, 'publish')
  const app = await npm.folder('app', { name: 'app', private: true, dependencies: { '@acme/button': '^1.0.0' } })
  await npm.run(app, 'install', '--no-omit-lockfile-registry-resolved')
  await cp(button, home.join('button'), { recursive: true })
  await mkdir(home.join('app'))
  for (const file of ['package.json', 'package-lock.json']) await cp(`${app}/${file}`, home.join('app', file))
  await mkdir(home.join('verdaccio'))
  await execute('cp', ['-a', verdaccio.storage, home.join('verdaccio')])
  await writeFile(home.join('verdaccio', 'config.yaml'), 'storage: ./storage\n')
}
