import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { startS3Proxy } from '../faults/s3-proxy.ts'
import { describeWith, have } from '../helpers/have.ts'
import { addressedExpression, nixClientOf } from '../helpers/nix-client.ts'
import { npmClient, publishFrom } from '../helpers/npm-client.ts'
import { NPM_TOOLS, npmToolAt } from '../helpers/npm-tools.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { s3Environment } from '../helpers/s3-store.ts'
import { createBucket } from '../helpers/s3.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { buildWheel } from '../helpers/wheel.ts'

const TIME = { timeout: 120_000 }

/** `depot serve` that sends readers to its bucket, and an eye on what comes there. */
async function startRedirecting(s3: string) {
  await using opening = new AsyncDisposableStack()
  const bucket = opening.use(await createBucket(s3))
  /** Authorization of each request whose URL is signed. */
  const signed: (string | undefined)[] = []
  const watched = opening.use(
    await startS3Proxy(bucket.endpoint, ({ url, headers }) => {
      if (url?.includes('X-Amz-Signature')) signed.push(headers.authorization)
      return undefined
    }),
  )
  const env = s3Environment({ ...bucket, endpoint: watched.endpoint }, { DEPOT_S3_REDIRECT: 'always' })
  const server = opening.use(await startServerProcess({ env }))
  const opened = opening.move()
  return {
    url: server.url,
    /** The same server by a name that is not the bucket's. */
    named: server.url.replace('127.0.0.1', 'localhost'),
    signed,
    /** Readers went to the bucket, without credentials, and what let them in has not been written down. */
    async expectRedirected(archive: RegExp) {
      const answered = (): readonly string[] =>
        server
          .logs()
          .split('\n')
          .filter((line) => archive.test(line) && line.includes('"method":"GET"'))
      // Lines are written in batches.
      await expect.poll(() => answered().length).toBeGreaterThan(0)
      for (const line of answered()) expect(line).toContain('"status":302')
      expect(signed.length).toBeGreaterThan(0)
      expect(signed.filter((authorization) => authorization !== undefined)).toEqual([])
      expect(server.logs()).not.toMatch(/X-Amz|"level":[56]0/)
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

describe.each(['s3', 's3Second'] as const)('e2e/redirects to %s', (s3) => {
  for (const part of ['nix', 'nixNew'] as const)
    describeWith([s3, part], part, () => {
      it('downloads archives from the bucket', TIME, async () => {
        await using depot = await startRedirecting(have.paths[s3])
        await using client = await nixClientOf(part)
        const [store = ''] = await client.build(addressedExpression(randomBytes(4).toString('hex')))
        await client.push(`${depot.url}/nix?compression=zstd`, store)
        const target = path.join(client.root, '..', 'pulled')
        await client.run('copy', '--from', `${depot.url}/nix`, '--to', target, store)
        await depot.expectRedirected(/"path":"\/nix\/nar\//)
      })
    })

  for (const tool of NPM_TOOLS)
    describeWith([s3, 'npm', tool.client], tool.label, () => {
      it('downloads tarballs from the bucket, and leaves its token behind', TIME, async () => {
        await using depot = await startRedirecting(have.paths[s3])
        await using npm = await npmClient('npm', `${depot.named}/npm/`)
        await publishFrom(npm, { name: 'demo-lib', version: '1.0.0' })
        await using other = await npmToolAt(tool, `${depot.named}/npm/`)
        const app = await other.folder(
          'app',
          { name: 'app', version: '0.0.0', dependencies: { 'demo-lib': '^1.0.0' } },
          tool.files,
        )
        await other.run(app, ...tool.install)
        expect(createRequire(path.join(app, 'index.js'))('demo-lib')).toBe('demo-lib@1.0.0')
        await depot.expectRedirected(/\.tgz"/)
      })
    })

  describeWith([s3, 'npm'], 'npm that would take its token along', () => {
    it('is sent the bytes by the depot', TIME, async () => {
      await using depot = await startRedirecting(have.paths[s3])
      await using npm = await npmClient('npm', `${depot.url}/npm/`)
      await publishFrom(npm, { name: 'demo-lib', version: '1.0.0' })
      const app = await npm.folder('app', { name: 'app', version: '0.0.0', dependencies: { 'demo-lib': '^1.0.0' } })
      await npm.run(app, 'install')
      expect(depot.signed).toEqual([])
    })
  })

  for (const part of ['pip', 'pipOld', 'uv'] as const)
    describeWith([s3, 'python', part], part, () => {
      it('downloads wheels from the bucket, and leaves its password behind', TIME, async () => {
        await using depot = await startRedirecting(have.paths[s3])
        const { filename, bytes } = buildWheel({ name: 'shared-tool', version: '1.0' })
        const stored = await fetch(`${depot.url}/python/shared-tool/${filename}`, {
          method: 'PUT',
          body: Uint8Array.from(bytes),
        })
        expect(stored.status).toBe(201)
        await using python = await pythonClient()
        const url = `${depot.named.replace('//', '//user:secret@')}/python/simple/`
        const [program, args, env] =
          part === 'uv'
            ? [have.paths.uv, ['pip', 'install', '--python', have.paths.python], { UV_DEFAULT_INDEX: url }]
            : [have.paths[part], ['install'], { PIP_INDEX_URL: url }]
        await python.ok(program, [...args, '--target', python.join('t'), 'shared-tool'], env)
        await depot.expectRedirected(/\.whl"/)
      })
    })
})
