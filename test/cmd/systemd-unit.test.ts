import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { unitFile } from '../../cmd/unit-file.ts'
import { describeWith } from '../helpers/have.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const run = promisify(execFile)
const LAUNCHER = path.join(import.meta.dirname, '../../cmd/launch.js')
const OPTIONS = {
  program: ['/usr/bin/node', '/opt/depot.js'],
  flags: {},
  isTemplate: false,
  user: undefined,
  drainDelayMs: 0,
  graceMs: 120_000,
  port: 8080,
}

/** The settings of a unit, by name; of several the last one. */
function settings(unit: string): ReadonlyMap<string, string> {
  return new Map(unit.split('\n').map((line) => [line.replace(/=.*/, ''), line.replace(/^[^=]*=/, '')]))
}

describe('the systemd unit', () => {
  it('starts this very depot, in a folder that systemd makes, and gives requests their time to finish', async () => {
    const { status, stdout } = await runDepot(['systemd-unit'])
    expect(status).toBe(0)
    const unit = settings(stdout)
    expect(unit.get('ExecStart')).toBe(`${process.execPath} ${LAUNCHER} serve`)
    expect(unit.get('StateDirectory')).toBe('depot')
    expect(unit.get('DynamicUser')).toBe('yes')
    expect(unit.get('TimeoutStopSec')).toBe('135')
    expect(unit.has('ExecReload')).toBe(false)
  })

  it('carries the options of the server, checked, with whole paths', async () => {
    const { stdout } = await runDepot([
      'systemd-unit',
      '--auth-file',
      '/etc/a.keys',
      '--shutdown-grace',
      '5',
      '--verbose',
    ])
    const unit = settings(stdout)
    expect(unit.get('ExecStart')).toMatch(/ serve --auth-file=\/etc\/a\.keys --shutdown-grace=5 --verbose$/)
    expect(unit.get('ExecReload')).toBe('/bin/kill -HUP $MAINPID')
    expect(unit.get('TimeoutStopSec')).toBe('20')
    const refused = async (...args: string[]): Promise<string> => (await runDepot(['systemd-unit', ...args])).stderr
    expect(await refused('--listen-addr', '0.0.0.0:80')).toContain('give --auth-file')
    expect(await refused('--store-path', '/srv/depot')).toContain('--store-path needs --user')
    expect(await refused('--user', 'a\nb')).toContain('no name of a user')
  })

  it('is a template for several servers that share their data, each named by its port', async () => {
    const flags = ['--user', 'depot', '--listen-addr', '127.0.0.1:1', '--mode', 'api-server', '--drain-delay', '10']
    const { stdout } = await runDepot(['systemd-unit', '--instances', ...flags])
    const unit = settings(stdout)
    expect(unit.get('ExecStart')).toMatch(/ serve --mode=api-server --drain-delay=10 --listen-addr=127\.0\.0\.1:%i$/)
    expect(unit.get('TimeoutStopSec')).toBe('145')
    expect(unit.get('AmbientCapabilities')).toBe('')
    expect((await runDepot(['systemd-unit', '--instances'])).stderr).toContain('--instances needs --user')
    expect((await runDepot(['systemd-unit', '--mode', 'db-migrations'])).stderr).toContain('it is no service')
  })

  it('takes no secret, and says for which unit to name the file that it belongs into', async () => {
    for (const secret of ['--database-url=postgres://depot:pw@db/depot', '--s3-secret-access-key=pw']) {
      const refused = async (...args: string[]) => (await runDepot(['systemd-unit', secret, ...args])).stderr
      expect(await refused()).toContain('systemctl edit depot: [Service] EnvironmentFile=FILE')
      expect(await refused('--instances', '--user', 'depot')).toContain('systemctl edit depot@: [Service]')
    }
  })

  it('hands secret keys over as credentials', () => {
    const unit = settings(unitFile({ ...OPTIONS, flags: { 'private-key': ['/etc/depot/one.key'] } }))
    expect(unit.get('LoadCredential')).toBe('signing-1.key:/etc/depot/one.key')
    expect(unit.get('ExecStart')).toContain('--private-key=${CREDENTIALS_DIRECTORY}/signing-1.key')
    const npm = settings(unitFile({ ...OPTIONS, flags: { 'npm-private-key': ['/etc/depot/npm.key'] } }))
    expect(npm.get('LoadCredential')).toBe('npm-signing-1.key:/etc/depot/npm.key')
    expect(npm.get('ExecStart')).toContain('--npm-private-key=${CREDENTIALS_DIRECTORY}/npm-signing-1.key')
  })

  it('lets a server with a low port open it, and one below a home read there', () => {
    expect(settings(unitFile({ ...OPTIONS, port: 443 })).get('AmbientCapabilities')).toBe('CAP_NET_BIND_SERVICE')
    expect(settings(unitFile(OPTIONS)).get('AmbientCapabilities')).toBe('')
    const program = ['/home/ann/.local/bin/node', '/opt/depot.js']
    expect(settings(unitFile({ ...OPTIONS, program })).get('ProtectHome')).toBe('read-only')
    expect(settings(unitFile(OPTIONS)).get('ProtectHome')).toBe('yes')
  })

  it('lets the server write to the folders of its stores, and start without one of them', async () => {
    await using dir = await tempDir('unit')
    const config = dir.join('depot.toml')
    const store = (name: string, folder: string) => `[[stores]]\nname = "${name}"\ntype = "fs"\npath = "${folder}"\n`
    await writeFile(
      config,
      store('own', '/var/lib/depot/blobs') + store('ssd', '/mnt/fast disk') + store('cold', '/srv/c'),
    )
    const { status, stdout } = await runDepot(['systemd-unit', '--user', 'depot', '--config', config])
    const lines = stdout.split('\n').filter((line) => line.startsWith('ReadWritePaths='))
    expect([status, lines]).toEqual([0, ['ReadWritePaths="-/mnt/fast disk"', 'ReadWritePaths=-/srv/c']])
    const noUser = await runDepot(['systemd-unit', '--config', config])
    expect([noUser.status, noUser.stderr]).toEqual([2, expect.stringContaining('/mnt/fast disk needs --user')])
    await writeFile(config, store('own', 'blobs'))
    expect((await runDepot(['systemd-unit', '--config', config])).stderr).toContain('path takes an absolute path')
  })

  it('quotes what would mean something to systemd', () => {
    const flags = { 'npm-advisories': ['/srv/50% "of" $all'] }
    expect(settings(unitFile({ ...OPTIONS, flags })).get('ExecStart')).toMatch(
      / "--npm-advisories=\/srv\/50%% \\"of\\" \$\$all"$/,
    )
    const folder = { 'store-path': ['/srv/$a %b "c"'] }
    expect(settings(unitFile({ ...OPTIONS, flags: folder, user: 'depot' })).get('ReadWritePaths')).toBe(
      '"/srv/$a %%b \\"c\\""',
    )
  })

  it('takes no value that would begin a line of its own', async () => {
    for (const value of ['/etc/a\nUser=root', '/etc/a\\', '/etc/a ', '/etc/a\r']) {
      const { status, stdout, stderr } = await runDepot(['systemd-unit', '--private-key', value])
      expect([status, stdout, stderr]).toEqual([2, '', expect.stringContaining('--private-key: no unit takes')])
    }
  })

  it.each(['postgres://depot:hunter2@db/depot', 'postgres://db/depot?user=depot&password=hunter2'])(
    'takes no password of a database, which everyone could read: %s',
    async (url) => {
      const { status, stdout, stderr } = await runDepot(['systemd-unit', '--database-url', url])
      expect([status, stdout]).toEqual([2, ''])
      expect(stderr).toContain('EnvironmentFile')
      expect(stderr).not.toContain('hunter2')
    },
  )

  it('names a command that serves, and that a reload does not end', async () => {
    await using dir = await tempDir('unit')
    await writeFile(dir.join('auth.keys'), '')
    const { stdout } = await runDepot(['systemd-unit', '--auth-file', dir.join('auth.keys')])
    const [, launcher = '', , ...args] = (settings(stdout).get('ExecStart') ?? '').split(' ')
    await using server = await startServerProcess({ launcher, args })
    process.kill(server.pid, 'SIGHUP')
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    expect(await server.stop('SIGTERM')).toBe(0)
  })
})

describeWith('systemd', 'the systemd unit, as systemd reads it', () => {
  it('is understood whole, and rated as well protected', async () => {
    await using dir = await tempDir('unit')
    const args = [
      '--auth-file',
      '/etc/a.keys',
      '--private-key',
      dir.join('one two.key'),
      '--listen-addr',
      '127.0.0.1:443',
    ]
    await writeFile(dir.join('depot.service'), (await runDepot(['systemd-unit', ...args])).stdout)
    const verified = await run('systemd-analyze', ['verify', '--recursive-errors=no', dir.join('depot.service')])
    expect(verified.stdout + verified.stderr).toBe('')
    const security = ['security', '--offline=true', '--threshold=20', '--no-pager', dir.join('depot.service')]
    expect((await run('systemd-analyze', security)).stdout).toMatch(
      /Overall exposure level for depot\.service: [01]\.\d/,
    )
  })
})
