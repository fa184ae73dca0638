import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { cleanEnv } from '../helpers/clean-env.ts'
import { describeWith, have } from '../helpers/have.ts'
import { npmClient, publishFrom } from '../helpers/npm-client.ts'
import { packDepot } from '../helpers/packed.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'

const LIMIT_MS = 120_000
const execute = promisify(execFile)

/** How strangers install it: what they type first, and what starts it then. */
const WAYS = {
  npx: { install: [], start: 'npx --yes ./depot.tgz serve' },
  'npm install --global': { install: ['install', '--global'], start: 'depot serve' },
  'npm install --prefix': {
    install: ['install', '--prefix', './tools'],
    start: './tools/node_modules/.bin/depot serve',
  },
} as const

const NODES = { 24: process.execPath, 26: have.paths.node26 } as const

describeWith(['npm', 'npmRegistry', 'node26'], 'e2e/the package', () => {
  let dir: TempDir
  let tarball: string

  beforeAll(async () => {
    dir = await tempDir('package')
    tarball = await packDepot(dir.path, have.paths.npm)
  }, LIMIT_MS)
  afterAll(async () => dir[Symbol.asyncDispose]())

  /** A folder with nothing but the tarball, of a user who has npm and this Node, and no other. */
  async function stranger(name: string, node: string): Promise<{ readonly cwd: string; env: Record<string, string> }> {
    const home = dir.join(name)
    const bin = path.join(home, 'bin')
    await mkdir(bin, { recursive: true })
    await mkdir(path.join(home, 'work'))
    await cp(tarball, path.join(home, 'work', 'depot.tgz'))
    await symlink(node, path.join(bin, 'node'))
    await symlink(have.paths.npm, path.join(bin, 'npm'))
    await symlink(path.join(path.dirname(have.paths.npm), 'npx-cli.js'), path.join(bin, 'npx'))
    const env = cleanEnv(home, {
      npm_config_registry: have.paths.npmRegistry,
      npm_config_cache: dir.join('cache'),
      npm_config_prefix: path.join(home, 'global'),
      npm_config_update_notifier: 'false',
    })
    const searched = [bin, path.join(home, 'global', 'bin'), '/usr/bin', '/bin']
    return { cwd: path.join(home, 'work'), env: { ...env, PATH: searched.join(':') } }
  }

  for (const [version, node] of Object.entries(NODES)) {
    for (const [way, { install, start }] of Object.entries(WAYS)) {
      it(
        `is installed by ${way} on Node ${version}, serves every ecosystem and ends when it is told to`,
        async () => {
          const { cwd, env } = await stranger(`${way} ${version}`.replaceAll(' ', '_'), node)
          if (install.length > 0) await execute('npm', [...install, './depot.tgz'], { cwd, env })
          await using server = await startIn(cwd, env, `exec ${start} --listen-addr 127.0.0.1:0`)
          await usedByClients(server.url)
          expect(await readdir(path.join(cwd, '../.local/share/depot'))).not.toEqual([])
          await server.stop()
          await expect(fetch(`${server.url}/healthz`)).rejects.toThrow('fetch failed')
        },
        LIMIT_MS,
      )
    }
  }

  it('brings two packages of compiled code with what they need, and the licences of all that it contains', async () => {
    const { cwd, env } = await stranger('listed', process.execPath)
    await execute('npm', ['install', '--prefix', '.', './depot.tgz'], { cwd, env })
    const installed = path.join(cwd, 'node_modules/@depot/depot')
    const manifest = JSON.parse(await readFile(path.join(installed, 'package.json'), 'utf8')) as object
    expect(Object.keys((manifest as { dependencies: object }).dependencies)).toEqual(['better-sqlite3', 'lzma-native'])
    const notices = await readFile(path.join(installed, 'dist/THIRD-PARTY.txt'), 'utf8')
    for (const name of ['drizzle-orm', 'hono', 'postgres', 'sshpk', 'zod'])
      expect(notices).toMatch(RegExp(`^${name} .+\\n=+\\n\\n\\w`, 'm'))
    // What loads a compiled package, a worker thread and PostgreSQL's client, each in the installed form.
    const run = async (...args: string[]): Promise<string> =>
      (await execute('./node_modules/.bin/depot', args, { cwd, env })).stdout
    expect(await run('--version')).toMatch(/^\d+\.\d+\.\d+\n$/)
    await expect(run('fsck', '--database-url', 'postgres://nobody@127.0.0.1:1/none')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^depot: (?!a bug)/),
    })
  })
})

describeWith('nodeOld', 'e2e/the package on an old Node', () => {
  it('says in one line which Node it needs', async () => {
    const launcher = path.join(import.meta.dirname, '../../cmd/launch.js')
    await expect(execute(have.paths.nodeOld, [launcher, 'serve'])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^depot needs Node 24 or newer; .+ is \d+\.\d+\.\d+ .+\n$/),
    })
  })
})

async function usedByClients(url: string): Promise<void> {
  expect(await (await fetch(`${url}/nix/nix-cache-info`)).text()).toContain('StoreDir: /nix/store\n')
  expect((await fetch(`${url}/${'0'.repeat(32)}.narinfo`)).status).toBe(404)

  await using client = await npmClient('npm', `${url}/npm/`)
  await publishFrom(client, { name: 'greeting', version: '1.0.0' })
  const app = await client.folder('app', { name: 'app', version: '1.0.0' })
  await client.run(app, 'install', 'greeting')
  expect(await readFile(path.join(app, 'node_modules/greeting/index.js'), 'utf8')).toContain('greeting@1.0.0')

  const wheel = buildWheel({ name: 'greeting', version: '1.0' })
  expect((await postForm(url, uploadForm(wheel))).status).toBe(200)
  const file = await fetch(`${url}/python/files/greeting/${wheel.filename}`)
  expect(Buffer.from(await file.arrayBuffer())).toEqual(wheel.bytes)
}

interface Started extends AsyncDisposable {
  readonly url: string
  /** SIGTERM to all of its processes, as a terminal or an init system sends it, and wait until the last has ended. */
  stop(): Promise<void>
}

/** A shell command that ends in a server. npx starts it below processes of its own, hence the group. */
async function startIn(cwd: string, env: Record<string, string>, command: string): Promise<Started> {
  const child = spawn('sh', ['-c', command], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  let printed = ''
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (printed += piece))
  const url = await greetedUrl(child, () => printed)
  return {
    url,
    async stop() {
      signal(child, 'SIGTERM')
      await closed
      expect(printed).toContain('depot: stopping')
      expect(printed).not.toContain('a bug')
    },
    async [Symbol.asyncDispose]() {
      signal(child, 'SIGKILL')
      await closed
    },
  }
}

async function greetedUrl(child: ChildProcess, errors: () => string): Promise<string> {
  let text = ''
  for await (const piece of child.stdout?.setEncoding('utf8') ?? []) {
    text += String(piece)
    if (text.includes('pip install')) return /depot serves (http:\S+)/.exec(text)?.[1] ?? ''
  }
  throw new Error(`the server ended:\n${text}${errors()}`)
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), name)
  } catch {
    // All of them have ended.
  }
}
