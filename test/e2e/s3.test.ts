import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { closureExpression, nixClient } from '../helpers/nix-client.ts'
import { npmClient, publishFrom } from '../helpers/npm-client.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { s3Environment } from '../helpers/s3-store.ts'
import { createBucket, type TestBucket } from '../helpers/s3.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'
import { buildWheel } from '../helpers/wheel.ts'

const TIME = { timeout: 180_000 }

interface S3Server extends AsyncDisposable, Pick<ServerProcess, 'url' | 'greeting'> {
  /** Nothing went wrong, all blobs are in the bucket and whole, and there is nothing else there. */
  expectWhole(): Promise<void>
}

/** `depot serve` over a bucket of its own. */
async function startS3Server(url: string): Promise<S3Server> {
  await using opening = new AsyncDisposableStack()
  const bucket: TestBucket = opening.use(await createBucket(url))
  const env = s3Environment(bucket, { DEPOT_S3_PREFIX: 'team/a' })
  const server = opening.use(await startServerProcess({ env }))
  const opened = opening.move()
  return {
    url: server.url,
    greeting: server.greeting,
    async expectWhole() {
      await server.stop()
      expect(server.logs()).not.toMatch(/"level":[56]0/)
      const checked = await runDepot(['fsck', '--full', '--store-path', server.dataDir], env)
      expect([checked.status, checked.stdout]).toEqual([0, expect.stringMatching(/^\d+ blobs, .* 0 errors\n$/)])
      const keys = await bucket.keys()
      expect(keys.length).toBe(Number(/^\d+/.exec(checked.stdout)?.[0]))
      expect(keys.filter((key) => !key.startsWith('team/a/main/sha256/'))).toEqual([])
      expect(await bucket.openUploads()).toEqual([])
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

describe.each(['s3', 's3Second', 's3Odd'] as const)('e2e/s3 on %s', (part) => {
  describeWith([part, 'nix'], 'nix', () => {
    it('copies a closure into a bucket and back, and verifies it', TIME, async () => {
      await using server = await startS3Server(have.paths[part])
      await using pusher = await nixClient()
      const [top = ''] = await pusher.build(closureExpression(12, randomBytes(4).toString('hex')))
      await pusher.push(`${server.url}/nix?compression=zstd`, top)
      const key = /trusted-public-keys '([^']+)'/.exec(server.greeting)?.[1] ?? ''
      await using puller = await nixClient(key)
      await puller.pull(`${server.url}/nix`, top)
      expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(12)
      await server.expectWhole()
    })
  })

  describeWith([part, 'npm'], 'npm', () => {
    it('publishes into a bucket and installs from it', TIME, async () => {
      await using server = await startS3Server(have.paths[part])
      await using npm = await npmClient('npm', `${server.url}/npm/`)
      await publishFrom(npm, { name: 'demo-lib', version: '1.0.0' })
      await publishFrom(npm, { name: '@acme/button', version: '1.0.0', dependencies: { 'demo-lib': '^1.0.0' } })
      const app = await npm.folder('app', { name: 'app', version: '0.0.0', dependencies: { '@acme/button': '^1.0.0' } })
      await npm.run(app, 'install')
      expect(createRequire(path.join(app, 'index.js'))('@acme/button')).toBe('@acme/button@1.0.0')
      await server.expectWhole()
    })
  })

  describeWith([part, 'twine', 'pip', 'python'], 'python', () => {
    it('uploads into a bucket with twine and installs with pip', TIME, async () => {
      await using server = await startS3Server(have.paths[part])
      await using client = await pythonClient()
      const big = [{ name: 'shared_tool/data.bin', content: randomBytes(9 * 1024 * 1024) }]
      const files = await client.save(
        ...['1.0', '2.0'].map((version) => buildWheel({ name: 'shared-tool', version, value: version, extra: big })),
      )
      const upload = ['upload', '--disable-progress-bar', '--repository-url', `${server.url}/python/legacy/`]
      await client.ok(have.paths.twine, [...upload, '-u', '__token__', '-p', 'any', ...files])
      const index = { PIP_INDEX_URL: `${server.url}/python/simple/` }
      const output = await client.ok(have.paths.pip, ['install', '--target', client.join('t'), 'shared-tool<2'], index)
      expect(output).toContain('Successfully installed shared-tool-1.0')
      await server.expectWhole()
    })
  })
})
