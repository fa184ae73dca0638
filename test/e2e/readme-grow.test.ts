import { execFile } from 'node:child_process'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

import { cleanEnv } from '../helpers/clean-env.ts'
import { freePort } from '../helpers/free-port.ts'
import { describeWith, have } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { readmeScript } from '../helpers/readme.ts'
import { createBucket } from '../helpers/s3.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')

describeWith(['postgres', 's3', 'sqlite3', 'npm'], 'e2e/readme: from one machine to PostgreSQL and a bucket', () => {
  it('takes along everything that the one machine held', async () => {
    await using home = await tempDir('readme')
    await using database = await createDatabase()
    await using bucket = await createBucket(have.paths.s3)
    const wheel = buildWheel({ name: 'brought', version: '1.0' })
    const file = '/python/brought/brought-1.0-py3-none-any.whl'
    const page = await (async () => {
      await using old = await startServerProcess({ dataDir: home.join('depot') })
      expect((await fetch(old.url + file, { method: 'PUT', body: new Uint8Array(wheel.bytes) })).status).toBe(201)
      return await (await fetch(`${old.url}/python/simple/brought/`)).text()
    })()
    const address = `127.0.0.1:${await freePort()}`
    const script = readmeScript('grow')
      .replaceAll('127.0.0.1:8080', address)
      .replace('postgres://postgres@127.0.0.1:5432/depot', database.url)
      .replace('bucket = "depot"', `bucket = "${bucket.bucket}"`)
      .replace('http://127.0.0.1:7070', bucket.endpoint)
      .replace('depot-tests-secret', bucket.secretAccessKey)
      .replace('=depot-tests', `=${bucket.accessKeyId}`)
    const ask = `curl -fsS http://${address}/python/simple/brought/`
    // Each job is a process group: without, the shell that runs the function `depot` ends, and the server beneath it lives on.
    const whole = `set -m\n${script}\n${ask}\nkill %1\nwait`
    const env = cleanEnv(home.path, { DEPOT_LISTEN_ADDR: address, SCRIPT: whole })
    const searched = `${path.dirname(process.execPath)}:${env['PATH'] ?? ''}`
    const { stdout } = await promisify(execFile)('bash', ['-ec', 'eval "$SCRIPT"'], {
      env: { ...env, PATH: searched },
      cwd: ROOT,
      timeout: 220_000,
    })
    expect(stdout).toContain(page)
    // The wheel, and the metadata in it.
    expect(stdout).toMatch(/^2 blobs \(.*\) moved from disk to bucket$/m)
    expect(stdout).toMatch(/^[1-9]\d* lines? verified$/m)
    expect(stdout.match(/^2 blobs, .* 0 errors$/gm)).toHaveLength(2)
    expect(await bucket.keys()).toHaveLength(2)
  }, 240_000)
})
