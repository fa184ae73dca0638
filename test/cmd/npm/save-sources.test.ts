import { readFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { cliUser, type CliUser } from '../../helpers/cli-user.ts'
import { freePort } from '../../helpers/free-port.ts'
import { distOf, tarballOf, tarOf, type PackageJson } from '../../helpers/npm-fixtures.ts'
import { packageLock } from '../../helpers/npm-lock.ts'
import { sendRange, startNpmUpstream, type NpmUpstream } from '../../helpers/npm-upstream.ts'
import type { Finished } from '../../helpers/run-depot.ts'

interface Saving extends AsyncDisposable {
  readonly upstream: NpmUpstream
  readonly user: CliUser
  /** Put a tarball somewhere outside the registry. */
  offer(packageJson: PackageJson): Promise<{ readonly url: string; readonly tarball: Buffer }>
  save(...args: readonly string[]): Promise<Finished>
  metadata(name: string): Promise<Record<string, unknown>>
}

async function saving(): Promise<Saving> {
  await using made = new AsyncDisposableStack()
  const upstream = made.use(await startNpmUpstream())
  const user = made.use(await cliUser())
  const owned = made.move()
  return {
    upstream,
    user,
    async offer(packageJson) {
      const path = `/elsewhere/${packageJson.name}.tgz`
      const tarball = await tarballOf(packageJson)
      upstream.answers.set(path, sendRange(tarball))
      return { url: new URL(path, upstream.url).href, tarball }
    },
    save: (...args) => user.run(['npm', 'save', '--registry', upstream.url, '--dir', user.join('saved'), ...args]),
    async metadata(name) {
      const text = await readFile(user.join('saved', name, 'metadata.json'), 'utf8')
      return JSON.parse(text) as Record<string, unknown>
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

describe('depot npm save of what comes from no registry', () => {
  it('saves a tarball of an address with what it needs, under the version that it names', async () => {
    await using here = await saving()
    const forked = { name: 'forked', version: 'v1.0.0', dependencies: { lib: '^1' } }
    const { url, tarball } = await here.offer(forked)
    await here.upstream.add({ name: 'lib', version: '1.0.0' })
    const project = await here.user.write('package.json', JSON.stringify({ dependencies: { forked: url } }))
    const { status, stdout } = await here.save(project)
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(/saved 2 \([^)]+\), 0 there already, 0 failed, 1 left out/),
    ])
    expect(stdout).toMatch(/^left out forked@http\S+: it was saved as forked@1\.0\.0: in the closed network, let /m)
    const { versions, 'dist-tags': tags } = await here.metadata('forked')
    expect(versions).toMatchObject({ '1.0.0': { version: '1.0.0', dist: distOf(tarball) } })
    expect(tags).toEqual({ latest: '1.0.0' })
    expect(await readFile(here.user.join('saved/forked/forked-1.0.0.tgz'))).toEqual(tarball)
    expect((await here.save(project)).stdout).toMatch(/saved 0 \([^)]+\), 2 there already, 0 failed, 1 left out/)
  })

  it('saves what a lock file names by its address, if it has the hash that stands there', async () => {
    await using here = await saving()
    const packageJson = { name: 'forked', version: '2.0.0' }
    const { url, tarball } = await here.offer(packageJson)
    const lockOf = (of: Uint8Array): Promise<string> =>
      here.user.write(
        'package-lock.json',
        packageLock([{ packageJson, tarball: of, spec: url, more: { resolved: url } }]),
      )
    const { status, stderr } = await here.save(await lockOf(Buffer.from('other bytes')))
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^depot: forked@2\.0\.0: \S+ has the sha512 \w+ instead of/),
    ])
    expect((await here.save(await lockOf(tarball))).stdout).toMatch(/^saved forked@2\.0\.0\n/)
  })

  it('puts nothing in the place of a version of the registry', async () => {
    await using here = await saving()
    await here.upstream.add({ name: 'lib', version: '1.0.0' })
    const { url } = await here.offer({ name: 'lib', version: '1.0.0', description: 'a fork' })
    const { status, stderr } = await here.save(url)
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/: it calls itself lib@1\.0\.0, which is something else/),
    ])
    await expect(here.metadata('lib')).rejects.toThrow(/ENOENT/)
  })

  it('asks no address that a package of the registry names', async () => {
    await using here = await saving()
    const { url } = await here.offer({ name: 'inner', version: '1.0.0' })
    await here.upstream.add({ name: 'app', version: '1.0.0', dependencies: { inner: url } })
    const { status, stderr } = await here.save('app')
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/inner@http\S+: it comes from an address outside the registry/),
    ])
    expect(here.upstream.asked.filter((line) => line.includes('elsewhere'))).toEqual([])
  })

  it('goes on when nobody answers at the address of one', async () => {
    await using here = await saving()
    const gone = { name: 'gone', version: '1.0.0' }
    const forked = { name: 'forked', version: '2.0.0' }
    const { url, tarball } = await here.offer(forked)
    const nowhere = `http://127.0.0.1:${await freePort()}/gone.tgz`
    const lock = packageLock([
      { packageJson: gone, tarball, spec: nowhere, more: { resolved: nowhere } },
      { packageJson: forked, tarball, spec: url, more: { resolved: url } },
    ])
    const { status, stdout, stderr } = await here.save(await here.user.write('package-lock.json', lock))
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^saved forked@2\.0\.0$/m)])
    expect(stderr).toMatch(/^depot: gone@1\.0\.0: \S+ cannot be reached/m)
  }, 90_000)

  it('names what it cannot have: repositories, what is no tarball, names that lead out', async () => {
    await using here = await saving()
    here.upstream.answers.set('/text.tgz', (_in, out) => out.end('no tarball'))
    const evil = await tarOf([{ name: 'package/package.json', content: '{"name":"../up","version":"1.0.0"}' }])
    const { gzipSync } = await import('node:zlib')
    here.upstream.answers.set('/evil.tgz', sendRange(gzipSync(evil)))
    const { status, stderr } = await here.save(
      'git+ssh://git@git.example/x.git#v1',
      `${here.upstream.url}text.tgz`,
      `${here.upstream.url}evil.tgz`,
      `${here.upstream.url}gone.tgz`,
    )
    expect(status).toBe(1)
    expect(stderr).toMatch(/^depot: git\+ssh\S+: it comes from a git repository/m)
    expect(stderr).toMatch(/text\.tgz: this is not an npm tarball/)
    expect(stderr).toMatch(/evil\.tgz: the package\.json of \S+ names no version of a package/)
    expect(stderr).toMatch(/gone\.tgz: \S+ answers 404/)
  })
})
