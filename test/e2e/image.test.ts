import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, it, vi } from 'vitest'

import { lineKey } from '../helpers/auth-lines.ts'
import { describeWith } from '../helpers/have.ts'
import { runImage, serveImage } from '../helpers/image-process.ts'
import { npmClient } from '../helpers/npm-client.ts'
import { readImage, sha256, unpackImage, type OciImage } from '../helpers/oci-image.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const MAKE_LIMIT_MS = 300_000
const run = promisify(execFile)

// Each runs programs that take seconds on a busy host.
vi.setConfig({ testTimeout: 120_000 })

describeWith(['debian', 'npm', 'npmRegistry', 'nobody'], 'e2e/image', () => {
  let dir: TempDir
  let image: OciImage
  let root: string

  beforeAll(async () => {
    dir = await tempDir('image')
    const [archive, layout] = [dir.join('depot.tar'), dir.join('layout')]
    await run(process.execPath, ['.ci/image.ts', archive], { cwd: ROOT })
    await mkdir(layout)
    await run('tar', ['--extract', '--file', archive, '--directory', layout])
    image = await readImage(layout)
    root = dir.join('root')
    await mkdir(root)
    await unpackImage(layout, image, root)
  }, MAKE_LIMIT_MS)

  afterAll(() => dir[Symbol.asyncDispose]())

  it('is a layout of OCI, in which every digest, size and uncompressed digest is right, and nothing else lies', async () => {
    const { index, manifest, config, layers } = image
    expect(config.rootfs.diff_ids).toEqual(layers.map(sha256))
    const blobs = [index.manifests[0], manifest.config, ...manifest.layers].map(({ digest }) =>
      digest.replace('sha256:', ''),
    )
    expect((await readdir(dir.join('layout', 'blobs', 'sha256'))).toSorted()).toEqual(blobs.toSorted())
    expect(config.architecture).toBe(process.arch === 'x64' ? 'amd64' : process.arch)
  })

  it('has the same name and layers for Podman, for containerd and for Docker', async () => {
    const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
    const { index, manifest, docker } = image
    expect(index.manifests[0].annotations).toEqual({
      'org.opencontainers.image.ref.name': `depot:${version}`,
      'io.containerd.image.name': `docker.io/library/depot:${version}`,
    })
    expect(docker).toEqual({
      Config: `blobs/${manifest.config.digest.replace(':', '/')}`,
      RepoTags: [`depot:${version}`],
      Layers: manifest.layers.map(({ digest }) => `blobs/${digest.replace(':', '/')}`),
    })
  })

  it('has neither a shell nor a program besides Node and the depot, and belongs to root but for the data', async () => {
    expect((await readdir(path.join(root, 'usr/bin'))).toSorted()).toEqual(['depot', 'node'])
    const owned = await run('find', [root, '-uid', '+0', '-printf', '/%P %U:%G %m\n'])
    expect(owned.stdout).toBe('/data 10001:10001 700\n')
    const writable = await run('find', [root, '-perm', '/022', '-not', '-type', 'l', '-printf', '/%P %m\n'])
    expect(writable.stdout).toBe('/tmp 1777\n')
    const licences = await readdir(path.join(root, 'usr/share/doc'))
    expect(licences).toEqual(expect.arrayContaining(['libc6', expect.stringMatching(/^gcc-\d+-base$/)]))
    expect(await readFile(path.join(root, 'etc/ssl/certs/ca-certificates.crt'), 'utf8')).toMatch(/BEGIN CERTIFICATE/)
  })

  it('does not start open to everyone by itself, and says what to give it', async () => {
    const { status, stderr } = await runImage(root, image).finished
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('--auth-file') as string })
  })

  it('serves npm clients as a user without rights, and ends in order when it is told to', async () => {
    await using server = await serveImage(root, image, '--insecure-open')
    await using npm = await npmClient('npm', `${server.url}/npm/`)
    const greeting = await npm.folder('greeting', { name: 'greeting', version: '1.0.0' }, { 'index.js': '"hello"' })
    await npm.run(greeting, 'publish')
    const app = await npm.folder('app', { name: 'app', version: '1.0.0' })
    await npm.run(app, 'install', 'greeting')
    expect(await readFile(path.join(app, 'node_modules/greeting/index.js'), 'utf8')).toBe('"hello"')
    expect(await stat(path.join(root, 'data/depot.db'))).toMatchObject({ uid: 10_001, gid: 10_001 })
    expect(await server.stop()).toMatchObject({ status: 0, stderr: expect.stringContaining('stopping') as string })
  })

  it('asks for credentials when keys are mounted', async () => {
    await writeFile(path.join(root, 'etc/depot/auth.keys'), `w ${lineKey(1).text}\n`)
    await using server = await serveImage(root, image, '--auth-file', '/etc/depot/auth.keys')
    const { status } = await fetch(`${server.url}/npm/greeting`, { method: 'PUT', body: '{}' })
    expect(status).toBe(401)
  })
})
