import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'

import { PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'

import { makeAuthority } from '../../helpers/certificates.ts'
import { describeWith, have } from '../../helpers/have.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { s3Environment } from '../../helpers/s3-store.ts'
import { createBucket, type TestBucket } from '../../helpers/s3.ts'
import { startServerProcess } from '../../helpers/server-process.ts'
import { wheelUpload } from '../../helpers/slow-transfers.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

/** What a server says that does not start: one line, without any secret. */
async function refusal(bucket: TestBucket, other: Readonly<Record<string, string | undefined>>): Promise<string> {
  const env = s3Environment(bucket, other)
  const { status, stdout, stderr } = await runDepot(['serve', '--listen-addr', '127.0.0.1:0'], env)
  expect([status, stdout]).toEqual([1, ''])
  expect(stderr).not.toContain(bucket.secretAccessKey)
  expect(stderr).not.toContain('wrong-secret')
  expect(stderr.trim().split('\n')).toHaveLength(1)
  return stderr
}

describe.each(['s3', 's3Second'] as const)('a server whose bucket lies on %s', (server) => {
  describeWith(server, 'does not start, and says why in one line,', () => {
    it.each([
      ['another secret', { DEPOT_S3_SECRET_ACCESS_KEY: 'wrong-secret-1' }, '--s3-secret-access-key is not the secret'],
      ['an unknown key', { DEPOT_S3_ACCESS_KEY_ID: 'nobody' }, 'S3 does not know --s3-access-key-id'],
      [
        'an unknown key from the environment of the AWS SDK',
        {
          DEPOT_S3_ACCESS_KEY_ID: undefined,
          DEPOT_S3_SECRET_ACCESS_KEY: undefined,
          AWS_ACCESS_KEY_ID: 'nobody',
          AWS_SECRET_ACCESS_KEY: 'wrong-secret-1',
        },
        'S3 does not know the access key that the AWS SDK found (AWS_ACCESS_KEY_ID, ~/.aws, a role)',
      ],
      ['no such bucket', { DEPOT_S3_BUCKET: 'depot-none-such' }, '--s3-bucket: there is no such bucket (NoSuchBucket)'],
      ['nobody there', { DEPOT_S3_ENDPOINT: 'http://127.0.0.1:1' }, '--s3-endpoint http://127.0.0.1:1 does not answer'],
      ['no such host', { DEPOT_S3_ENDPOINT: 'http://nowhere.invalid' }, '--s3-endpoint'],
      [
        'the bucket in the host name',
        { DEPOT_S3_ENDPOINT: 'http://nowhere.invalid', DEPOT_S3_FORCE_PATH_STYLE: 'false' },
        'does it need --s3-force-path-style?',
      ],
      [
        'no credentials',
        { DEPOT_S3_ACCESS_KEY_ID: undefined, DEPOT_S3_SECRET_ACCESS_KEY: undefined },
        'no credentials: give --s3-access-key-id and --s3-secret-access-key',
      ],
    ])('with %s', async (_, other, line) => {
      await using bucket = await createBucket(have.paths[server])
      expect(await refusal(bucket, other)).toContain(line)
      expect(await bucket.keys()).toEqual([])
    })
  })

  describeWith([server, 'faketime'], 'goes by the clock of S3', () => {
    it('where its own is two hours off, and says so', async () => {
      await using bucket = await createBucket(have.paths[server])
      const env = s3Environment(bucket)
      const preload = { LD_PRELOAD: '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', FAKETIME: '-2h' }
      await using depot = await startServerProcess({ env: { ...env, ...preload } })
      expect(depot.logs()).toMatch(/the clock of this machine is (?:119|120|121) minutes behind that of S3/)
      expect((await fetch(`${depot.url}/readyz`)).status).toBe(200)
    })
  })
})

describeWith(['s3', 'openssl'], 'a server whose bucket is asked for by https', () => {
  it('does not start where nothing speaks TLS, nor where nobody vouches for the certificate, and says which it is', async () => {
    await using bucket = await createBucket(have.paths.s3)
    const plain = bucket.endpoint.replace('http:', 'https:')
    expect(await refusal(bucket, { DEPOT_S3_ENDPOINT: plain })).toContain('is it http:// and not https://?')
    await using authority = await makeAuthority()
    await using front = await authority.front(bucket.endpoint, 'DNS:localhost')
    const line = await refusal(bucket, { DEPOT_S3_ENDPOINT: `https://localhost:${front.port}` })
    expect(line).toMatch(/the certificate of --s3-endpoint .* NODE_EXTRA_CA_CERTS/)
  })
})

describeWith('s3', 'a server whose bucket is not as it was told', () => {
  it('does not start in another region, and says which one S3 names', async () => {
    await using bucket = await createBucket(have.paths.s3)
    const line = await refusal(bucket, { DEPOT_S3_REGION: 'eu-west-9' })
    expect(line).toContain('--s3-region eu-west-9 is not that of the bucket: S3 names us-east-1')
  })

  it('does not start where an object is in the way', async () => {
    await using bucket = await createBucket(have.paths.s3)
    await bucket.client.send(new PutObjectCommand({ Bucket: bucket.bucket, Key: 'way', Body: 'x' }))
    const line = await refusal(bucket, { DEPOT_S3_PREFIX: 'way' })
    expect(line).toContain('an object of somebody else is in the way: remove it, or set --s3-prefix')
  })

  it.each([200, 404])('does not start where a web page answers with %i', async (status) => {
    await using bucket = await createBucket(have.paths.s3)
    const web = createServer((_, answer) =>
      answer.writeHead(status, { 'content-type': 'text/html' }).end('<html>Hello'),
    )
    await once(web.listen(0, '127.0.0.1'), 'listening')
    const endpoint = `http://127.0.0.1:${(web.address() as AddressInfo).port}`
    expect(await refusal(bucket, { DEPOT_S3_ENDPOINT: endpoint })).toContain(`--s3-endpoint ${endpoint}`)
    web.close()
  })

  it('does not start where nothing is answered, and does not wait for long', async () => {
    await using bucket = await createBucket(have.paths.s3)
    const silent = createServer(() => {})
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    expect(await refusal(bucket, { DEPOT_S3_ENDPOINT: endpoint })).toContain(
      `--s3-endpoint ${endpoint} does not answer`,
    )
    silent.closeAllConnections()
    silent.close()
  })

  it('starts several processes, and tells once what is wrong', async () => {
    await using bucket = await createBucket(have.paths.s3)
    const env = s3Environment(bucket, { DEPOT_S3_BUCKET: 'depot-none-such' })
    const { status, stderr } = await runDepot(['serve', '--workers', '2', '--listen-addr', '127.0.0.1:0'], env)
    expect([status, stderr.match(/there is no such bucket/g)]).toEqual([1, ['there is no such bucket']])
  })

  it('takes credentials from where the AWS SDK finds them, and renews those that expire', async () => {
    await using bucket = await createBucket(have.paths.s3)
    await using dir = await tempDir('aws')
    const { accessKeyId, secretAccessKey } = bucket
    // Good for some seconds: a program that has printed them may be slow to end.
    const script = `const fs = require('node:fs')
      fs.appendFileSync(${JSON.stringify(dir.join('asked'))}, '.')
      if (fs.existsSync(${JSON.stringify(dir.join('over'))})) process.exit(1)
      console.log(JSON.stringify({ Version: 1, AccessKeyId: '${accessKeyId}', SecretAccessKey: '${secretAccessKey}',
        Expiration: new Date(Date.now() + 10_000).toISOString() }))`
    await writeFile(dir.join('credentials.cjs'), script)
    await writeFile(
      dir.join('config'),
      `[default]\ncredential_process = ${process.execPath} ${dir.join('credentials.cjs')}\n`,
    )
    const env = s3Environment(bucket, {
      DEPOT_S3_ACCESS_KEY_ID: undefined,
      DEPOT_S3_SECRET_ACCESS_KEY: undefined,
      AWS_CONFIG_FILE: dir.join('config'),
    })
    await using depot = await startServerProcess({ env })
    const ready = async () => (await fetch(`${depot.url}/readyz`)).status
    expect(await ready()).toBe(200)
    await writeFile(dir.join('over'), '')
    await expect.poll(ready, { timeout: 40_000, interval: 500 }).toBe(503)
    const { path, content } = wheelUpload('demo')
    const upload = await fetch(depot.url + path, { method: 'PUT', body: Uint8Array.from(content) })
    expect([upload.status, upload.headers.get('retry-after')]).toEqual([503, '5'])
    expect(await upload.text()).toMatch(/^the blob store cannot be used/)
    await depot.stop()
    expect(depot.logs()).not.toContain(secretAccessKey)
  })
})

describeWith('s3', 'depot doctor on the machine of a server whose blobs lie in a bucket', () => {
  it('names the bucket that answers, and puts nothing there', async () => {
    await using bucket = await createBucket(have.paths.s3)
    const { stdout } = await runDepot(['doctor', '--only', 'bucket'], s3Environment(bucket))
    expect(stdout).toContain(`${bucket.bucket} at ${bucket.endpoint} (us-east-1) answers to these credentials`)
    expect(stdout).not.toContain(bucket.secretAccessKey)
    expect(await bucket.keys()).toEqual([])
  })

  it('says which setting is wrong', async () => {
    await using bucket = await createBucket(have.paths.s3)
    const { status, stdout } = await runDepot(
      ['doctor', '--only', 'bucket'],
      s3Environment(bucket, { DEPOT_S3_REGION: 'eu-west-9' }),
    )
    expect([status, stdout]).toEqual([1, expect.stringContaining('--s3-region eu-west-9 is not that of the bucket')])
  })
})
