import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { cleanEnv } from './clean-env.ts'
import { freePort } from './free-port.ts'
import { have } from './have.ts'
import { distOf, tarballOf, type PackageJson } from './npm-fixtures.ts'
import { tempDir } from './temp-dir.ts'

export interface Verdaccio extends AsyncDisposable {
  /** With its trailing slash. */
  readonly url: string
  readonly storage: string
}

/** A real Verdaccio that takes every publish; what it does not have itself it fetches from `uplink`, if there is one. */
export async function startVerdaccio(uplink?: string): Promise<Verdaccio> {
  const home = await tempDir('verdaccio')
  const port = await freePort()
  const proxy = uplink === undefined ? '' : '\n    proxy: upstream'
  const config = `storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
uplinks: { upstream: { url: '${uplink ?? 'http://127.0.0.1:1/'}' } }
packages:
  '**':
    access: $all
    publish: $all
    unpublish: $all${proxy}
log: { type: stdout, format: json, level: warn }
`
  await writeFile(home.join('config.yaml'), config)
  const child = spawn(
    process.execPath,
    [have.paths.verdaccio, '--config', home.join('config.yaml'), '--listen', `127.0.0.1:${port}`],
    { cwd: home.path, env: cleanEnv(home.path), stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}/`
  for (let tries = 0; !(await answers(`${url}-/ping`)); tries++) {
    if (tries > 1000 || child.exitCode !== null) throw new Error('verdaccio does not start')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return {
    url,
    storage: home.join('storage'),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }
      await home[Symbol.asyncDispose]()
    },
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  )
}

export interface StoredPackage {
  readonly name: string
  readonly versions: readonly string[]
  /** Members that stand in its package.json instead. */
  readonly document?: Readonly<Record<string, unknown>>
  /** What stands in the manifests besides. */
  readonly manifest?: Readonly<Record<string, unknown>>
}

/** Write a package as Verdaccio 6 keeps one that was published to it; tarballs that are there stay. Returns its folder. */
export async function storePackage(storage: string, stored: StoredPackage): Promise<string> {
  const { name, versions, manifest = {} } = stored
  const folder = path.join(storage, name)
  await mkdir(folder, { recursive: true })
  const document = { name, versions: {}, time: {}, users: {}, 'dist-tags': {}, _uplinks: {}, _distfiles: {} }
  const attachments: Record<string, object> = {}
  for (const [index, version] of versions.entries()) {
    const own: PackageJson = { name, version }
    const file = `${name.split('/').at(-1)}-${version}.tgz`
    const known = await readFile(path.join(folder, file)).catch(() => undefined)
    const tarball = known ?? (await tarballOf(own))
    if (known === undefined) await writeFile(path.join(folder, file), tarball)
    const dist = { ...distOf(tarball), tarball: `http://old.example/${name}/-/${file}` }
    Object.assign(document.versions, { [version]: { ...own, ...manifest, dist } })
    Object.assign(document.time, { [version]: new Date(Date.UTC(2020, 0, index + 1)).toISOString() })
    attachments[file] = { shasum: dist.shasum, version }
  }
  Object.assign(document['dist-tags'], { latest: versions.at(-1) })
  const whole = {
    ...document,
    _attachments: attachments,
    _rev: '1-0',
    _id: name,
    readme: `# ${name}`,
    ...stored.document,
  }
  await writeFile(path.join(folder, 'package.json'), JSON.stringify(whole, undefined, 2))
  return folder
}
