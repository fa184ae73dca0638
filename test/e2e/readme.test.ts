import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { SERVE_SETTINGS } from '../../cmd/settings/serve.ts'
import { variableOf } from '../../cmd/settings/settings.ts'
import { cleanEnv } from '../helpers/clean-env.ts'
import { freePort } from '../helpers/free-port.ts'
import { describeWith, have } from '../helpers/have.ts'
import { readmeOutput, readmeScript, unclaimedBlocks } from '../helpers/readme.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { makeKey } from '../helpers/ssh-keys.ts'
import { fillOldServers } from '../helpers/old-servers.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const execute = promisify(execFile)
const ROOT = path.join(import.meta.dirname, '..', '..')

/** Follow a part of the README as a newcomer would: its very words, only the port is another. Returns what was printed. */
async function follow(
  name: string,
  programs: Readonly<Record<string, string>>,
  env: Record<string, string> = {},
): Promise<string> {
  await using home = await tempDir('readme')
  await using server = await startServerProcess()
  const bin = home.join('bin')
  mkdirSync(bin)
  for (const [program, target] of Object.entries(programs)) symlinkSync(target, path.join(bin, program))
  const script = readmeScript(name).replaceAll('127.0.0.1:8080', new URL(server.url).host)
  const clean = cleanEnv(home.path, { ...env, DEPOT_STORE_PATH: server.dataDir })
  const searched = `${bin}:${path.dirname(process.execPath)}:${clean['PATH'] ?? ''}`
  return await runShell(script, { ...clean, PATH: searched }, name === 'depot' ? ROOT : home.path)
}

/** What a script prints on stdout. Whatever it started and left running ends with it. */
async function runShell(script: string, env: Record<string, string>, cwd: string, limitMs = 100_000): Promise<string> {
  const child = spawn('bash', ['-c', script], { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece))
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece))
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs)
  const closed = once(child, 'close')
  await once(child, 'exit')
  clearTimeout(limit)
  try {
    process.kill(-(child.pid ?? 0), 'SIGTERM')
  } catch {
    // Nothing was left running.
  }
  await closed
  if (child.exitCode !== 0) throw new Error(`${stdout}\n${stderr}`)
  return stdout
}

describe('the README', () => {
  it('has no command that no test runs', () => {
    expect(unclaimedBlocks()).toEqual(['npm ci && npm start', 'npm start -- --auth-file ~/auth.keys'])
  })

  it('starts a server by `npm start`, with nothing set', async () => {
    await using home = await tempDir('start')
    const args = ['start', '--', '--listen-addr', '127.0.0.1:0']
    const command = `cd '${ROOT}' && exec '${process.execPath}' '${have.paths.npm}' ${args.join(' ')}`
    const env = { ...cleanEnv(home.path), PATH: `${path.dirname(process.execPath)}:${process.env['PATH'] ?? ''}` }
    const child = spawn('bash', ['-c', command], { env, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
    const ended = once(child, 'exit')
    try {
      let text = ''
      for await (const piece of child.stdout.setEncoding('utf8')) {
        text += piece as string
        if (text.includes('pip install')) break
      }
      const url = /depot serves (http:\/\/\S+)/.exec(text)?.[1] ?? ''
      expect((await fetch(`${url}/readyz`)).status).toBe(200)
      expect(text).toContain(home.join('.local/share/depot'))
    } finally {
      process.kill(-(child.pid ?? 0), 'SIGTERM')
      await ended
    }
  })

  it('lists every setting of the server', () => {
    const text = readFileSync(path.join(ROOT, 'README.md'), 'utf8')
    for (const name of Object.keys(SERVE_SETTINGS)) {
      expect(text).toContain(`| \`--${name}`)
      expect(text).toContain(`\`${variableOf(name)}\``)
    }
  })

  it('lists every route as the server prints it', async () => {
    const { stdout } = await runDepot(['serve', '--print-routes'])
    expect(readmeOutput('serve --print-routes')).toBe(stdout)
  })

  it('checks a depot with the commands it gives', async () => {
    expect(await follow('depot', {})).toContain('0 errors')
  })
})

describeWith('nix', 'e2e/readme: Nix', () => {
  it('takes a newcomer from one store to another', async () => {
    await using store = await tempDir('nix')
    const config = ['experimental-features = nix-command', 'build-users-group =', 'sandbox = false', 'substituters =']
    const env = { NIX_CONFIG: config.join('\n'), NIX_REMOTE: store.join('root') }
    expect(await follow('nix', { nix: have.paths.nix }, env)).toContain('hello from the depot')
  })
})

describeWith(['nix', 'npm', 'openssh'], 'e2e/readme: who may do what', () => {
  it('takes a newcomer from a key to tokens, clients and the audit log', async () => {
    await using home = await tempDir('readme')
    await mkdir(home.join('.ssh'), { mode: 0o700 })
    const key = await makeKey(home.join('.ssh'), { kind: 'ed25519' }, 'id_ed25519')
    await writeFile(home.join('auth.keys'), `w ${key.type} ${key.base64}\n`)
    await using server = await startServerProcess({ args: ['--auth-file', home.join('auth.keys')] })
    const port = String(await freePort())
    const script = readmeScript('auth')
      .replaceAll('127.0.0.1:8080', new URL(server.url).host)
      .replace('depot proxy ', `depot proxy --port ${port} `)
      .replaceAll('43407', port)
    await mkdir(home.join('bin'))
    symlinkSync(have.paths.nix, home.join('bin', 'nix'))
    const env = cleanEnv(home.path, {
      DEPOT_STORE_PATH: server.dataDir,
      NIX_CONFIG: 'experimental-features = nix-command\nbuild-users-group =\nsandbox = false\nsubstituters =',
      NIX_REMOTE: home.join('root'),
    })
    const searched = `${home.join('bin')}:${path.dirname(process.execPath)}:${env['PATH'] ?? ''}`
    const printed = await runShell(script, { ...env, PATH: searched }, ROOT)
    expect(printed).toContain(key.fingerprint)
    expect(printed).toMatch(/:_authToken=dpt_/)
    expect(printed).toMatch(/head \d+:[0-9a-f]{64}/)
    await execute('chmod', ['-R', 'u+w', home.path])
  }, 120_000)
})

describeWith(['npm', 'npmRegistry'], 'e2e/readme: installing with npm', () => {
  it('takes a newcomer from a checkout to an installed depot', async () => {
    await using home = await tempDir('readme')
    const left = ['node_modules', 'dist', '.git', 'test'].map((name) => path.join(ROOT, name))
    const checkout = home.join('checkout')
    await cp(ROOT, checkout, { recursive: true, filter: (file) => !left.includes(file) })
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(checkout, 'node_modules'))
    const env = cleanEnv(home.path, {
      npm_config_registry: have.paths.npmRegistry,
      npm_config_prefix: home.join('global'),
    })
    const searched = `${home.join('global/bin')}:${path.dirname(process.execPath)}:${env['PATH'] ?? ''}`
    await runShell(readmeScript('install'), { ...env, PATH: searched }, checkout)
    expect(await readFile(path.join(checkout, 'depot.bash'), 'utf8')).toContain('complete -F _depot depot')
    expect(await readFile(path.join(checkout, 'depot.1'), 'utf8')).toContain('.SH NAME')
  }, 120_000)
})

describeWith('npm', 'e2e/readme: npm', () => {
  it('takes a newcomer from publish to require', async () => {
    expect(await follow('npm', {})).toContain('hello from the depot')
  })
})

describeWith('npm', 'e2e/readme: several stores', () => {
  it('takes an operator from two disks to one, under a server that npm publishes to', async () => {
    await using home = await tempDir('readme')
    const script = readmeScript('stores').replaceAll('127.0.0.1:8080', `127.0.0.1:${await freePort()}`)
    const listen = { DEPOT_LISTEN_ADDR: /127\.0\.0\.1:\d+/.exec(script)?.[0] ?? '' }
    const env = cleanEnv(home.path, listen)
    const searched = `${path.dirname(process.execPath)}:${env['PATH'] ?? ''}`
    const printed = await runShell(script, { ...env, PATH: searched }, ROOT)
    const listed = [...printed.matchAll(/^(fast|large) +fs +\S+ +(\d+) .* ok$/gm)].map(
      ([, name, blobs]) => `${name} ${blobs}`,
    )
    expect(listed).toEqual(['fast 2', 'large 1', 'fast 0', 'large 3'])
    expect(printed).toMatch(/^2 blobs \(.*\) moved from fast to large$/m)
    expect(printed).toContain(' 0 errors')
  }, 120_000)
})

/** A script on a network of its own, where all ports are free and nobody else is to be reached. */
const ALONE = `exec unshare --net bash -c 'ip link set lo up && eval "$SCRIPT"'`

describeWith(
  ['netns', 'postgres', 's3', 'nginx', 'openssl', 'nix', 'npm', 'uv', 'python'],
  'e2e/readme: past one machine',
  () => {
    it('takes an operator from nothing to two servers that are restarted while nix, npm and pip work', async () => {
      await using home = await tempDir('readme')
      // The user that PostgreSQL runs as has to get to its folder.
      await chmod(home.path, 0o711)
      await mkdir(home.join('bin'))
      for (const part of ['nix', 'uv', 'nginx'] as const) symlinkSync(have.paths[part], home.join('bin', part))
      symlinkSync(have.paths.python, home.join('bin', 'python3'))
      const tools = process.env['DEPOT_TEST_TOOLS'] ?? path.join(homedir(), '.cache', 'depot-tools')
      const env = cleanEnv(home.path, {
        SCRIPT: readmeScript('servers'),
        DEPOT_TEST_DIR: home.join('services'),
        DEPOT_TEST_TOOLS: tools,
        NIX_CONFIG: 'experimental-features = nix-command\nbuild-users-group =\nsandbox = false\nsubstituters =',
        NIX_REMOTE: home.join('root'),
        UV_PYTHON: have.paths.python,
        UV_PYTHON_DOWNLOADS: 'never',
        PIP_DISABLE_PIP_VERSION_CHECK: '1',
      })
      const searched = `${home.join('bin')}:${path.dirname(process.execPath)}:${env['PATH'] ?? ''}`
      try {
        const printed = await runShell(ALONE, { ...env, PATH: searched }, ROOT, 220_000)
        expect(printed).toContain('four rounds, and nothing failed')
        expect(printed).toMatch(/^\d+ blobs, .* 0 errors$/m)
      } finally {
        await execute(path.join(ROOT, 'test', 'services.sh'), ['stop'], { env: { ...process.env, ...env } })
        await execute('chmod', ['-R', 'u+w', home.path])
      }
    }, 240_000)
  },
)

describeWith(['uv', 'python'], 'e2e/readme: Python', () => {
  it('takes a newcomer from a new project to its import', async () => {
    expect(await follow('python', { uv: have.paths.uv, python3: have.paths.python })).toContain('greeting')
  })
})

describeWith(
  ['verdaccio', 'pypiserver', 'devpi', 'npm', 'uv', 'twine', 'python', 'openssh'],
  'e2e/readme: moving from other servers',
  () => {
    it('takes a team from Verdaccio, pypiserver and devpi to installing and publishing as before', async () => {
      await using home = await tempDir('readme')
      await fillOldServers(home)
      const locked = await readFile(home.join('app', 'package-lock.json'), 'utf8')
      expect(locked).toMatch(/"resolved": "http:\/\/127\.0\.0\.1:\d+\/@acme\/button\/-\//)
      await mkdir(home.join('.ssh'), { mode: 0o700 })
      const key = await makeKey(home.join('.ssh'), { kind: 'ed25519' }, 'id_ed25519')
      await writeFile(home.join('auth.keys'), `w ${key.type} ${key.base64}\n`)
      await using server = await startServerProcess({ args: ['--auth-file', home.join('auth.keys')] })
      await mkdir(home.join('bin'))
      symlinkSync(have.paths.uv, home.join('bin', 'uv'))
      symlinkSync(have.paths.python, home.join('bin', 'python3'))
      symlinkSync(path.join(path.dirname(have.paths.devpi), 'devpi-export'), home.join('bin', 'devpi-export'))
      const script = readmeScript('move').replaceAll('127.0.0.1:8080', new URL(server.url).host)
      const env = cleanEnv(home.path, { UV_PYTHON_DOWNLOADS: 'never', UV_PYTHON: have.paths.python })
      const searched = `${home.join('bin')}:${path.dirname(process.execPath)}:${env['PATH'] ?? ''}`
      const printed = await runShell(script, { ...env, PATH: searched }, ROOT)
      expect(printed).toContain('would send @acme/button@1.0.0')
      expect(printed).toMatch(/Successfully installed my-demo-0\.1\.0 old-tool-3\.0/)
      expect(printed).toMatch(/Successfully installed my-demo-0\.2\.0/)
      expect(JSON.parse(await readFile(home.join('app/node_modules/@acme/button/package.json'), 'utf8'))).toMatchObject(
        {
          version: '1.1.0',
        },
      )
    }, 240_000)
  },
)
