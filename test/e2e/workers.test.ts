import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import path from 'node:path'

import { expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { closureExpression, nixClient } from '../helpers/nix-client.ts'
import { npmClient, publishFrom } from '../helpers/npm-client.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { startWorkerServer, type WorkerServer } from '../helpers/worker-server.ts'

const TIME = { timeout: 180_000 }

/** A client opens several connections, so each of its runs is answered by more than one worker. */
async function expectAll(server: WorkerServer): Promise<void> {
  // With its last lines.
  expect(await server.stop()).toBe(0)
  const workers = server.entries().flatMap(({ worker, msg }) => (msg === 'request' ? [worker] : []))
  expect(new Set(workers)).toEqual(new Set([1, 2]))
  expect(server.logs()).not.toMatch(/"level":[56]0/)
}

describeWith('nix', 'e2e/workers: nix', () => {
  it('copies a closure to several workers and back', TIME, async () => {
    await using server = await startWorkerServer()
    await using pusher = await nixClient()
    const [top = ''] = await pusher.build(closureExpression(12, randomBytes(4).toString('hex')))
    await pusher.push(`${server.url}/nix`, top)
    const key = /trusted-public-keys '([^']+)'/.exec(server.greeting)?.[1] ?? ''
    await using puller = await nixClient(key)
    await puller.pull(`${server.url}/nix`, top)
    expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(12)
    await expectAll(server)
  })
})

describeWith('npm', 'e2e/workers: npm', () => {
  it('publishes to several workers and installs at once', TIME, async () => {
    await using server = await startWorkerServer()
    await using npm = await npmClient('npm', `${server.url}/npm/`)
    await publishFrom(npm, { name: 'demo-lib', version: '1.0.0' })
    await publishFrom(npm, { name: '@acme/button', version: '1.0.0', dependencies: { 'demo-lib': '^1.0.0' } })
    const app = await npm.folder('app', { name: 'app', version: '0.0.0', dependencies: { '@acme/button': '^1.0.0' } })
    await npm.run(app, 'install')
    const load = createRequire(path.join(app, 'index.js'))
    expect(load('@acme/button')).toBe('@acme/button@1.0.0')
    await expectAll(server)
  })
})

describeWith(['twine', 'pip', 'python'], 'e2e/workers: python', () => {
  it('uploads to several workers with twine and installs with pip', TIME, async () => {
    await using server = await startWorkerServer()
    await using client = await pythonClient()
    const files = await client.save(
      ...['1.0', '1.1', '2.0'].map((version) => buildWheel({ name: 'shared-tool', version, value: version })),
    )
    const upload = ['upload', '--disable-progress-bar', '--repository-url', `${server.url}/python/legacy/`]
    await client.ok(have.paths.twine, [...upload, '-u', '__token__', '-p', 'any', ...files])
    const target = client.join('target')
    const index = { PIP_INDEX_URL: `${server.url}/python/simple/` }
    const output = await client.ok(have.paths.pip, ['install', '--target', target, 'shared-tool<2'], index)
    expect(output).toContain('Successfully installed shared-tool-1.1')
    await expectAll(server)
  })
})
