import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

import { fsck } from '../../src/fsck.ts'
import { freePort } from '../helpers/free-port.ts'
import { startGuardedWorld } from '../helpers/guarded-world.ts'
import { describeWith, have } from '../helpers/have.ts'
import { reserveNginx } from '../helpers/nginx.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { startWorld } from '../helpers/world.ts'

const LIMIT_MS = 120_000
const PATHS = 8
const run = promisify(execFile)

for (const part of ['nix', 'nixNew'] as const) {
  describeWith(part, `e2e/nix-verbs-crowd: ${part}`, () => crowd(part))
  describeWith([part, 'nginx', 'openssl'], `e2e/nix-verbs-crowd: ${part} over TLS`, () => overTls(part))
}

function crowd(part: 'nix' | 'nixNew'): void {
  it(
    'many push the same closure at once, each in another compression, and one of them is as good as all',
    async () => {
      await using world = await startWorld()
      await using clients = new AsyncDisposableStack()
      const pushers = await Promise.all(
        ['none', 'gzip', 'xz', 'bzip2', 'zstd', 'br'].map(async (compression) => {
          const client = clients.use(await nixClientOf(part))
          const [top = ''] = await client.build(closureExpression(PATHS, 'crowd'))
          // As by default. A 2.8 that asks again, because it remembers nothing, ends with "coroutine has finished" when a path has come meanwhile.
          const remember = ['--option', 'narinfo-cache-negative-ttl', '3600'] as const
          return { top, push: () => client.push(`${world.url}/nix?compression=${compression}`, ...remember, top) }
        }),
      )
      await Promise.all(pushers.map(({ push }) => push()))
      const [top = '', ...others] = new Set(pushers.map((one) => one.top))
      expect(others).toEqual([])
      await using puller = await nixClientOf(part, world.publicKey)
      await puller.pull(`${world.url}/nix`, top)
      expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(PATHS)
      expect((await world.depot.kv.blobs(undefined, 100)).length).toBe(PATHS)
      const findings = await Array.fromAsync(fsck({ blobs: world.depot.blobs, kv: world.depot.kv, full: true }))
      expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
      expect(world.bugs).toEqual([])
    },
    LIMIT_MS,
  )
}

function overTls(part: 'nix' | 'nixNew'): void {
  it(
    'copies both ways over HTTP/2, to a depot that asks for credentials',
    async () => {
      await using home = await tempDir('tls')
      const { certificate, key } = await selfSigned(home)
      const port = await freePort()
      const publicUrl = `https://127.0.0.1:${port}`
      await using nginx = await reserveNginx()
      await using world = await startGuardedWorld({ reads: 'closed', settings: { 'public-url': publicUrl } })
      await nginx.start(`listen 127.0.0.1:${port} ssl http2; ssl_certificate ${certificate}; ssl_certificate_key ${key};
        if ($server_protocol != "HTTP/2.0") { return 505; } location / { proxy_pass ${world.url}; proxy_request_buffering off; }`)
      const client = async (grant: string, ...keys: readonly string[]): Promise<[NixClient, readonly string[]]> => {
        const nix = await nixClientOf(part, ...keys)
        const netrc = path.join(nix.root, '..', 'netrc')
        await copyFile(certificate, nix.certificates)
        await writeFile(netrc, `machine 127.0.0.1 login depot password ${await world.token(grant)}\n`)
        return [nix, ['--option', 'netrc-file', netrc]]
      }
      const [pusher, writing] = await client('nix:write:*')
      const [puller, reading] = await client('nix:read:*', world.publicKey)
      await using clients = new AsyncDisposableStack()
      for (const one of [pusher, puller]) clients.use(one)

      const [top = ''] = await pusher.build(closureExpression(PATHS, 'tls'))
      await mkdir(path.join(home.path, 'large'))
      await writeFile(path.join(home.path, 'large', 'data'), randomBytes(8_000_000))
      const large = (await pusher.run('store add-path', home.join('large'))).trim()
      await pusher.push(`${publicUrl}/nix?compression=none`, ...writing, top, large)
      await puller.pull(`${publicUrl}/nix`, ...reading, top, large)
      expect((await puller.run('store verify', '-r', top, large)).match(/^checking /gm)).toHaveLength(PATHS + 1)
      expect(world.bugs).toEqual([])
    },
    LIMIT_MS,
  )
}

async function selfSigned(home: TempDir): Promise<{ readonly certificate: string; readonly key: string }> {
  const [certificate, key] = [home.join('certificate.pem'), home.join('key.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  await run(have.paths.openssl, [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    ...subject,
    '-keyout',
    key,
    '-out',
    certificate,
  ])
  return { certificate, key }
}
