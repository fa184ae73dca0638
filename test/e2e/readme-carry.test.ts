import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, statSync, symlinkSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

import { cleanEnv } from '../helpers/clean-env.ts'
import { describeWith, have } from '../helpers/have.ts'
import { derivation } from '../helpers/nix-expressions.ts'
import { publish } from '../helpers/npm-world.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { readmeScript } from '../helpers/readme.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { buildSdist, buildWheel } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const run = promisify(execFile)
const ROOT = path.join(import.meta.dirname, '..', '..')

/** One side of the gap: a home, and a shell in it. */
interface Side extends AsyncDisposable {
  readonly home: TempDir
  shell(script: string): Promise<string>
}

/** Somebody's machine. `cut`: it has no network but its own loopback, where a depot serves on the port that the README names. */
async function side(env: Readonly<Record<string, string>>, cut: boolean): Promise<Side> {
  const home = await tempDir('carry')
  const bin = home.join('bin')
  mkdirSync(bin)
  const programs = { nix: have.paths.nix, uv: have.paths.uv, python3: have.paths.python }
  for (const [program, target] of Object.entries(programs)) symlinkSync(target, path.join(bin, program))
  await mkdir(home.join('shop'))
  const nix =
    'experimental-features = nix-command\nbuild-users-group =\nsandbox = false\nsandbox-paths = /bin /usr /lib /lib64\nsubstituters ='
  const all = cleanEnv(home.path, {
    UV_PYTHON_DOWNLOADS: 'never',
    UV_PYTHON: have.paths.python,
    // A machine with nothing but its loopback is offline to Nix; one that has any network is not.
    NIX_CONFIG: cut ? `${nix}\nmax-jobs = 0\nsubstitute = true` : nix,
    NIX_REMOTE: home.join('nix-root'),
    DEPOT_STORE_PATH: home.join('depot'),
    CHECKOUT: ROOT,
    ...env,
  })
  const searched = `${bin}:${path.dirname(process.execPath)}:${all['PATH'] ?? ''}`
  return {
    home,
    shell: (script) =>
      runShell(cut ? `${SERVING}\n${script}` : script, { ...all, PATH: searched }, home.join('shop'), cut),
    async [Symbol.asyncDispose]() {
      // Nix leaves its store without the right to write.
      await run('chmod', ['-R', 'u+w', home.path])
      await home[Symbol.asyncDispose]()
    },
  }
}

/** As the README says it for a checkout. */
const DEPOT = 'depot() { "$CHECKOUT/node_modules/.bin/node" "$CHECKOUT/cmd/launch.js" "$@"; }'

const SERVING = `ip link set lo up
depot serve > ../depot.log 2>&1 &
until curl -fsS http://127.0.0.1:8080/readyz > /dev/null 2>&1; do sleep 0.1; done`

async function runShell(script: string, env: Record<string, string>, cwd: string, cut: boolean): Promise<string> {
  const words = ['bash', '-c', `set -euo pipefail\n${DEPOT}\n${script}`]
  // Whatever was started in it ends with it.
  const [program = '', ...args] = cut ? ['unshare', '--net', '--pid', '--fork', '--kill-child', ...words] : words
  const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece))
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece))
  const limit = setTimeout(() => child.kill('SIGKILL'), 150_000)
  await once(child, 'close')
  clearTimeout(limit)
  if (child.exitCode !== 0) throw new Error(`${stdout}\n${stderr}`)
  return stdout
}

/** The public registries, as far as the shop needs them. */
async function publicRegistries(): Promise<World> {
  const world = await startWorld()
  await publish(world, { name: 'cart', version: '1.0.0', dependencies: { '@acme/money': '^1.0.0' } })
  await publish(world, { name: '@acme/money', version: '1.0.0', optionalDependencies: { 'money-mac': '1.0.0' } })
  await publish(world, { name: 'money-mac', version: '1.0.0', os: ['darwin'] })
  await postForm(world.url, uploadForm(buildWheel({ name: 'till', version: '1.0', requires: ['coins>=1'] })))
  await postForm(world.url, uploadForm(buildWheel({ name: 'coins', version: '1.1' })))
  await postForm(world.url, uploadForm(buildSdist({ name: 'coins', version: '1.1' })))
  return world
}

/** npm takes the addresses of a lock file's packages for its own registry's only where they are npmjs's. */
const AS_PUBLIC = 'depot npm rewrite-lock --registry https://registry.npmjs.org'

/** A project with lock files that real clients made. */
async function makeShop({ home, shell }: Side): Promise<void> {
  const write = (name: string, text: string): Promise<void> => writeFile(home.join('shop', name), text)
  await write('package.json', JSON.stringify({ name: 'shop', version: '1.0.0', dependencies: { cart: '^1.0.0' } }))
  await write('requirements.in', 'till\n')
  await write(
    'pyproject.toml',
    '[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.9"\ndependencies = ["till"]\n',
  )
  await write('shop.nix', derivation('shop', 'echo built outside > $out'))
  await shell(`npm install --package-lock-only
${AS_PUBLIC}
uv pip compile --generate-hashes requirements.in -o requirements.txt
uv lock`)
}

/** What is in the shop and goes with the source code, by whatever way that goes. */
const SOURCES = ['package.json', 'package-lock.json', 'requirements.txt', 'pyproject.toml', 'uv.lock', 'shop.nix']

async function carry(from: Side, to: Side, ...names: readonly string[]): Promise<void> {
  for (const name of names) await copyFile(from.home.join('shop', name), to.home.join('shop', name))
}

describeWith(['nix', 'npm', 'uv', 'python', 'openssh', 'netns'], 'e2e/readme: across an air gap', () => {
  it('takes a project from a machine with registries to one without a network, and what is new of it after that', async () => {
    const world = await publicRegistries()
    const registries = {
      npm_config_registry: `${world.url}/npm/`,
      UV_DEFAULT_INDEX: `${world.url}/python/simple/`,
      PIP_INDEX_URL: `${world.url}/python/simple/`,
    }
    await using outside = await side(registries, false)
    // npm asks for itself now and then, and would be among what is wanted.
    await using inside = await side({ npm_config_update_notifier: 'false' }, true)
    await mkdir(outside.home.join('.ssh'), { mode: 0o700 })
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', outside.home.join('.ssh', 'id_ed25519')])
    chmodSync(outside.home.join('.ssh', 'id_ed25519'), 0o600)
    await copyFile(outside.home.join('.ssh', 'id_ed25519.pub'), inside.home.join('shop', 'carrier.pub'))
    await makeShop(outside)
    expect(await readFile(path.join(ROOT, 'README.md'), 'utf8')).toContain(DEPOT)

    await outside.shell(readmeScript('carry_out'))
    await carry(outside, inside, 'monday.tar', ...SOURCES)
    await inside.shell(readmeScript('carry_in'))
    const built = await readlink(inside.home.join('shop', 'result'))
    expect(await readFile(inside.home.join('nix-root', built), 'utf8')).toBe('built outside\n')
    const installed = inside.home.join('shop')
    expect(await readdir(path.join(installed, 'node_modules'))).toEqual(expect.arrayContaining(['cart', '@acme']))
    const { stdout } = await run(path.join(installed, 'env', 'bin', 'pip'), ['list', '--format', 'freeze'])
    expect(stdout).toMatch(/coins==1\.1[^]*till==1\.0/)
    expect((await run(path.join(installed, '.venv/bin/python'), ['-c', 'import till, coins'])).stderr).toBe('')

    await publish(world, { name: '@acme/money', version: '1.1.0' })
    await outside.shell(`npm update --package-lock-only\n${AS_PUBLIC}`)
    await outside.shell(readmeScript('carry_out_again'))
    const sizes = ['monday.tar', 'tuesday.tar'].map((name) => statSync(outside.home.join('shop', name)).size)
    expect(sizes[1]).toBeLessThan((sizes[0] ?? 0) / 2)
    await carry(outside, inside, 'tuesday.tar', 'package-lock.json')
    await inside.shell(`curl -s http://127.0.0.1:8080/npm/receipt > /dev/null; ${readmeScript('carry_in_again')}`)
    const money = path.join(installed, 'node_modules/@acme/money/package.json')
    expect(JSON.parse(await readFile(money, 'utf8'))).toMatchObject({ version: '1.1.0' })
    expect(await readFile(path.join(installed, 'npm.txt'), 'utf8')).toBe('receipt\n')

    await publish(world, { name: 'receipt', version: '2.0.0' })
    await carry(inside, outside, 'npm.txt', 'inside.inventory')
    await outside.shell(readmeScript('carry_wanted'))
    await carry(outside, inside, 'wednesday.tar')
    await world[Symbol.asyncDispose]()
    const receipt = `depot bundle import wednesday.tar http://127.0.0.1:8080 --trusted-key carrier.pub
npm view receipt version --registry http://127.0.0.1:8080/npm/`
    expect(await inside.shell(receipt)).toContain('2.0.0')
  }, 300_000)
})
