import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { lineKey } from '../helpers/auth-lines.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { testStore } from '../helpers/local-store.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { slowPut } from '../helpers/slow-transfers.ts'
import { tempDir } from '../helpers/temp-dir.ts'

describe('depot serve', () => {
  it('makes its key at the first start, for its owner alone, and keeps it', async () => {
    await using home = await tempDir('key')
    const dataDir = home.join('data')
    const keys: string[] = []
    for (let start = 0; start < 2; start++) {
      await using server = await startServerProcess({ dataDir })
      const info = await (await fetch(`${server.url}/nix/nix-cache-info`)).text()
      keys.push(/^PublicKey: (.*)$/m.exec(info)?.[1] ?? '')
      expect(server.greeting).toContain(keys[0])
    }
    expect(keys[0]).toMatch(/^depot-[0-9a-f]{8}-1:[A-Za-z0-9+/]{43}=$/)
    expect(keys[1]).toBe(keys[0])
    expect(statSync(path.join(dataDir, 'signing.key')).mode & 0o777).toBe(0o600)
  })

  it('signs with the key it is given, and refuses a file that is none without repeating it', async () => {
    await using home = await tempDir('key')
    const file = home.join('other.key')
    writeFileSync(file, 'my-secret-text-that-is-no-key')
    const refused = await runDepot(['serve', '--private-key', file, '--store-path', home.join('data')])
    expect(refused.status).toBe(2)
    expect(refused.stderr).toContain('is not a Nix secret key')
    expect(refused.stderr).not.toContain('my-secret-text')
    expect((await runDepot(['serve', '--private-key', file, '--check-config'])).status).toBe(2)
    const absent = await runDepot(['serve', '--private-key', `${file}x`, '--store-path', home.join('data')])
    expect(absent.status).toBe(2)
    expect(absent.stderr).toContain('is not there')
    expect(existsSync(`${file}x`)).toBe(false)
  })

  it('makes one key when two servers start at once on one folder', async () => {
    await using home = await tempDir('keys')
    const dataDir = home.join('data')
    const servers = await Promise.all([1, 2, 3].map(() => startServerProcess({ dataDir })))
    const keys = servers.map(({ greeting }) => /depot-[0-9a-f]{8}-1:[^']+/.exec(greeting)?.[0])
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    expect(new Set(keys).size).toBe(1)
    expect(readdirSync(dataDir).filter((name) => name.startsWith('signing.key'))).toEqual(['signing.key'])
  })

  it('prints its routes in every mode, and opens nothing of its own for that', async () => {
    await using home = await tempDir('routes')
    const { stdout } = await runDepot(['serve', '--print-routes'])
    const answering = await runDepot(['serve', '--print-routes', '--mode', 'api-server'])
    expect(answering).toMatchObject({ status: 0, stdout, stderr: '' })
    const store = home.join('cold')
    writeFileSync(home.join('depot.toml'), `[[stores]]\nname = "cold"\ntype = "fs"\npath = "${store}"\n`)
    const several = await runDepot(['serve', '--print-routes', '--config', home.join('depot.toml')])
    expect(several).toMatchObject({ status: 0, stdout, stderr: '' })
    expect(existsSync(store)).toBe(false)
  })

  it('does not listen beyond loopback unless it is told so in many words', async () => {
    await using home = await tempDir('open')
    const args = ['serve', '--listen-addr', '0.0.0.0:0', '--store-path', home.join('data')]
    const refused = await runDepot(args)
    expect(refused).toMatchObject({ status: 2, stdout: '' })
    expect(refused.stderr).toContain('--insecure-open')
    expect(existsSync(home.join('data'))).toBe(false)
  })

  it('checks a configuration without touching anything', async () => {
    await using home = await tempDir('check')
    const file = home.join('depot.toml')
    writeFileSync(file, `store-path = "${home.join('data')}"\nlisten-addr = "127.0.0.1:0"\n`)
    const fine = await runDepot(['serve', '--config', file, '--check-config'])
    expect(fine).toMatchObject({ status: 0, stdout: 'the configuration is fine\n' })
    writeFileSync(file, 'listen-adr = "127.0.0.1:0"\n')
    const none = ['serve', '--config', '/dev/null', '--store-path', home.join('data'), '--check-config']
    expect(await runDepot(none)).toEqual(fine)
    const wrong = await runDepot(['serve', '--config', file, '--check-config'])
    expect(wrong.status).toBe(2)
    expect(wrong.stderr).toContain("unknown setting 'listen-adr' (did you mean listen-addr?)")
    expect(existsSync(home.join('data'))).toBe(false)
  })

  it('refuses a Nix store that is none', async () => {
    await using home = await tempDir('no-store')
    for (const flag of ['--check-config', '--verbose']) {
      const refused = await runDepot(['serve', '--store-path', home.join('data'), '--nix-store', home.path, flag])
      expect(refused).toMatchObject({ status: 2, stdout: '' })
      expect(refused.stderr).toContain(
        `--nix-store: no Nix store: ${home.join('nix/var/nix/db/db.sqlite')} is not there`,
      )
    }
    await using store = await testStore()
    const args = ['serve', '--store-path', home.join('data'), '--check-config']
    const fine = await runDepot(args, { DEPOT_NIX_STORE: store.root })
    expect(fine).toMatchObject({ status: 0, stdout: 'the configuration is fine\n' })
  })

  it('says which port is taken', async () => {
    await using first = await startServerProcess()
    const address = new URL(first.url).host
    await using home = await tempDir('taken')
    const second = await runDepot(['serve', '--listen-addr', address, '--store-path', home.join('data')])
    expect(second.status).toBe(2)
    expect(second.stderr).toContain(`${address} is taken`)
  })

  it('lets a running upload and download finish when it is told to stop, and then exits with 0', async () => {
    await using home = await tempDir('drain')
    await using server = await startServerProcess({ dataDir: home.join('data') })
    const large = randomBytes(40_000_000)
    const stored = buildWheel({ name: 'large', version: '1.0', extra: [{ name: 'large.bin', content: large }] })
    expect((await fetch(`${server.url}/python/large/${stored.filename}`, put(stored.bytes))).status).toBe(201)
    const download = await fetch(`${server.url}/python/files/large/${stored.filename}`)
    const second = buildWheel({
      name: 'second',
      version: '1.0',
      extra: [{ name: 'x.bin', content: randomBytes(300_000) }],
    })
    const upload = slowPut(`${server.url}/python/second/${second.filename}`, second.bytes)
    await upload.started
    const stopped = server.stop('SIGTERM')
    await expect
      .poll(() =>
        fetch(`${server.url}/readyz`).then(
          () => 'open',
          () => 'closed',
        ),
      )
      .toBe('closed')
    expect(Buffer.from(await download.arrayBuffer()).equals(stored.bytes)).toBe(true)
    expect(await upload.finish()).toBe(201)
    expect(await stopped).toBe(0)
    await using again = await startServerProcess({ dataDir: home.join('data') })
    const kept = await fetch(`${again.url}/python/files/second/${second.filename}`)
    expect(Buffer.from(await kept.arrayBuffer()).equals(second.bytes)).toBe(true)
  })

  it('ends at once when it is told a second time', async () => {
    await using server = await startServerProcess()
    const upload = slowPut(`${server.url}/python/never/never-1.0.tar.gz`, randomBytes(1000))
    await upload.started
    const stopped = server.stop('SIGTERM')
    await expect.poll(() => server.logs()).toContain('stopping')
    void server.stop('SIGINT')
    expect(await stopped).toBe(0)
    await expect(upload.finish()).rejects.toThrow()
  })

  it('goes on when a SIGHUP tells it to read its auth file again, and ends with its terminal when it has none', async () => {
    await using home = await tempDir('hangup')
    const file = home.join('auth.keys')
    writeFileSync(file, `w ${lineKey(1).text} me\n`)
    await using guarded = await startServerProcess({ args: ['--auth-file', file] })
    writeFileSync(file, `w ${lineKey(1).text} me\nw ${lineKey(2).text} you\n`)
    process.kill(guarded.pid, 'SIGHUP')
    await expect.poll(() => guarded.logs()).toContain('auth file read again')
    expect((await fetch(`${guarded.url}/readyz`)).status).toBe(200)
    await using open = await startServerProcess()
    await open.stop('SIGHUP')
  })

  it('logs JSON lines on standard error, one for each request, without its query', async () => {
    await using server = await startServerProcess()
    await fetch(`${server.url}/healthz?token=canary`)
    await server.stop()
    const lines = server
      .logs()
      .split('\n')
      .filter((line) => line.startsWith('{'))
    const entry = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .find(({ path: where }) => where === '/healthz')
    expect(entry).toMatchObject({ method: 'GET', status: 200, msg: 'request', whole: true })
    expect(server.logs()).not.toContain('canary')
  })

  it('explains itself', async () => {
    const help = await runDepot(['serve', '--help'])
    expect(help.status).toBe(0)
    for (const word of ['--listen-addr', '--store-path', 'EXAMPLES']) expect(help.stdout).toContain(word)
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    expect((await runDepot(['--version'])).stdout).toBe(`${version}\n`)
  })
})

function put(bytes: Uint8Array): RequestInit {
  return { method: 'PUT', body: Uint8Array.from(bytes) }
}
