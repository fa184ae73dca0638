import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

import { readAction, runAction, type ActionRun } from '../helpers/composite-action.ts'
import { describeWith, have } from '../helpers/have.ts'
import { npmClient, npmrcLine, publishFrom } from '../helpers/npm-client.ts'
import { packDepot } from '../helpers/packed.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { makeKey, type TestKey } from '../helpers/ssh-keys.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

const LIMIT_MS = 120_000
const ACTION = path.join(import.meta.dirname, '../../.github/actions/setup/action.yml')
const execute = promisify(execFile)
/** The example of the README. */
const STEPS = z.array(z.object({ with: z.record(z.string(), z.string()).optional() })).nonempty()

describeWith(['npm', 'npmRegistry', 'openssh'], 'e2e/the GitHub Action', () => {
  let dir: TempDir
  let tarball: string
  let key: TestKey
  let token: string
  let server: ServerProcess

  beforeAll(async () => {
    dir = await tempDir('action')
    tarball = await packDepot(dir.path, have.paths.npm)
    key = await makeKey(dir.path, { kind: 'ed25519' })
    await writeFile(dir.join('auth.keys'), `w ${key.type} ${key.base64}\n`)
    server = await startServerProcess({ args: ['--auth-file', dir.join('auth.keys'), '--read-auth', 'always'] })
    const made = await runDepot(['token', 'create', server.url, '--identity', key.file, '--scope', 'npm:*:*'])
    token = made.stdout.trim()
    await using publisher = await npmClient('npm', `${server.url}/npm/`, [
      npmrcLine(`${server.url}/npm/`, '_authToken', token),
    ])
    await publishFrom(publisher, { name: 'greeting', version: '1.0.0' })
  }, LIMIT_MS)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await dir[Symbol.asyncDispose]()
  })

  /** A job on a machine with this Node and npm. */
  async function job(
    name: string,
    inputs: Readonly<Record<string, string>>,
    node = process.execPath,
  ): Promise<ActionRun & { readonly home: string }> {
    const home = dir.join(name)
    await mkdir(path.join(home, 'programs'), { recursive: true })
    await symlink(node, path.join(home, 'programs', 'node'))
    await symlink(have.paths.npm, path.join(home, 'programs', 'npm'))
    // The runner's own registry, which the steps behind the action no longer use.
    await writeFile(path.join(home, '.npmrc'), `registry=${have.paths.npmRegistry}\ncache=${dir.join('cache')}\n`)
    const programs = `${path.join(home, 'programs')}:/usr/bin:/bin`
    const run = await runAction(await readAction(ACTION), {
      home,
      path: programs,
      inputs: { url: server.url, package: tarball, clients: 'npm', ...inputs },
    })
    return { ...run, home }
  }

  async function install(
    { env, home }: ActionRun & { readonly home: string },
    ...args: readonly string[]
  ): Promise<string> {
    const app = path.join(home, 'app')
    await mkdir(app, { recursive: true })
    await writeFile(path.join(app, 'package.json'), '{"name":"app","version":"1.0.0"}')
    await execute('npm', ['install', 'greeting', ...args], { cwd: app, env })
    return readFile(path.join(app, 'node_modules/greeting/index.js'), 'utf8')
  }

  /** All but the lines by which the runner is told what to mask. */
  function shown(log: string): string {
    return log.replaceAll(/^::add-mask::.*$/gm, '')
  }

  it(
    'lets npm of later steps install with a key, which stands in no log',
    async () => {
      const secret = await readFile(key.file, 'utf8')
      const run = await job('with-key', { 'ssh-key': secret })
      expect(await install(run)).toContain('greeting@1.0.0')
      for (const line of secret.trim().split('\n')) {
        expect(run.log).toContain(`::add-mask::${line}\n`)
        expect(shown(run.log)).not.toContain(line)
        expect(JSON.stringify(run.env)).not.toContain(line)
      }
      // What the depot says is between these two, and so no command to the runner.
      expect(run.log).toMatch(/^::stop-commands::(\S+)\n.+\n::\1::$/ms)
      const { stdout } = await execute('depot', ['whoami'], { env: run.env })
      expect(stdout).toContain(key.fingerprint)
    },
    LIMIT_MS,
  )

  it(
    'does so with a token, and lends it through depot proxy',
    async () => {
      const run = await job('with-token', { token, proxy: 'true' })
      try {
        expect(shown(run.log)).not.toContain(token)
        expect(JSON.stringify(run.env)).not.toContain(token)
        expect(await install(run)).toContain('greeting@1.0.0')
        expect((await fetch(`${run.outputs['proxy-url']}/npm/greeting`)).status).toBe(200)
        expect((await fetch(`${server.url}/npm/greeting`)).status).toBe(401)
      } finally {
        process.kill(Number(await readFile(path.join(run.home, 'runner/depot/proxy.pid'), 'utf8')), 'SIGTERM')
      }
    },
    LIMIT_MS,
  )

  it(
    'ends the step when the depot knows neither',
    async () => {
      await expect(job('without', {})).rejects.toThrow('depot: ')
    },
    LIMIT_MS,
  )

  it.each([
    ['word', { clients: 'npm write' }, "not 'write'"],
    ['pattern', { clients: '*' }, "not '?'"],
    ['break', { url: 'http://127.0.0.1:1/\nLD_PRELOAD=/x' }, 'not the URL of a depot'],
    ['option', { url: '--help' }, 'not the URL of a depot'],
    ['switch', { package: '--global' }, '--global'],
  ])(
    'takes an odd %s among its inputs for what it is',
    async (name, inputs, words) => {
      await expect(job(name, { token, ...inputs })).rejects.toMatchObject({ stderr: expect.stringContaining(words) })
    },
    LIMIT_MS,
  )

  it('puts nothing that was given to it into a script, and has the inputs that the README names', async () => {
    const { runs, inputs } = await readAction(ACTION)
    for (const { run } of runs.steps) expect(run).not.toContain('${{')
    const readme = await readFile(path.join(import.meta.dirname, '../../README.md'), 'utf8')
    const example =
      /```yaml\n(?<yaml>- uses: \S+\/\.github\/actions\/setup@.*?)```/s.exec(readme)?.groups?.['yaml'] ?? ''
    const [step] = STEPS.parse(parse(example))
    expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(step?.with ?? {})))
  })
})
