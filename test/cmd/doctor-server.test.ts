import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, open, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import path from 'node:path'
import process from 'node:process'

import Database from 'better-sqlite3'
import { beforeEach, describe, expect, it } from 'vitest'

import { readMigrations } from '../../storage/kv/migrate.ts'
import { migrateSqlite } from '../../storage/kv/sqlite/migrate.ts'
import { cliUser, type CliUser } from '../helpers/cli-user.ts'
import { examine, examineByProcess, onlyTrouble, paste } from '../helpers/doctor.ts'
import { freePort } from '../helpers/free-port.ts'
import { describeWith } from '../helpers/have.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { fillUp, smallVolume } from '../helpers/small-volume.ts'

/** The checks that depend on the load of whoever runs the tests say nothing about a fault that was made here. */
const CHECKS = 'config,variables,access,auth-file,store,disk,keys,database,leftovers,port,public-url'

describe('depot doctor, on the machine of a server', () => {
  let user: CliUser
  let store: string
  let settings: readonly string[]

  beforeEach(async () => {
    user = await cliUser()
    store = user.join('store')
    settings = ['--store-path', store, '--listen-addr', `127.0.0.1:${await freePort()}`, '--only', CHECKS]
    return () => user[Symbol.asyncDispose]()
  })

  /** A store that a server has had. */
  async function makeStore(): Promise<void> {
    await using server = await startServerProcess({ dataDir: store })
    await server.stop()
  }

  it('finds nothing wrong before the first start, and makes nothing', async () => {
    const { status, troubles, findings } = await examineByProcess(user, settings)
    expect({ status, troubles }).toEqual({ status: 0, troubles: [] })
    expect(findings.map(({ check }) => check)).toEqual(CHECKS.split(','))
    expect(existsSync(store)).toBe(false)
  })

  it('finds nothing wrong beside a running server, and knows it', async () => {
    const port = await freePort()
    await using server = await startServerProcess({ dataDir: store, port })
    const args = ['--store-path', store, '--listen-addr', `127.0.0.1:${port}`, '--only', CHECKS]
    const { status, troubles, findings } = await examine(user, args)
    expect({ status, troubles }).toEqual({ status: 0, troubles: [] })
    expect(findings.find(({ check }) => check === 'port')?.message).toContain(`depot serve, process ${server.pid}`)
    expect(findings.find(({ check }) => check === 'database')?.message).toContain(`depot serve (${server.pid})`)
  })

  it('names who has taken the port, and another one that is free', async () => {
    const other = createServer((_request, response) => response.end('something else')).listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    await user.write('.config/depot/depot.toml', `listen-addr = "127.0.0.1:${port}"`)
    const trouble = onlyTrouble(await examineByProcess(user, ['--only', 'port']))
    expect(trouble).toMatchObject({ check: 'port', status: 'fail' })
    expect(trouble.message).toContain(`process ${process.pid}`)
    const { env } = await paste(user, trouble.fix)
    expect((await examine(user, ['--only', 'port'], env)).troubles).toEqual([])
    other.close()
  })

  it('tells another depot on the port from the one of this store', async () => {
    const port = await freePort()
    await using _other = await startServerProcess({ port })
    const args = ['--store-path', store, '--listen-addr', `127.0.0.1:${port}`, '--only', 'port']
    expect(onlyTrouble(await examine(user, args)).message).toContain('another depot, with another store')
  })

  it('closes a secret key that others can read', async () => {
    await makeStore()
    await chmod(path.join(store, 'signing.key'), 0o644)
    const found = await examine(user, settings)
    const trouble = onlyTrouble(found)
    expect(trouble).toMatchObject({ check: 'keys', status: 'fail' })
    expect(found.status).toBe(1)
    await paste(user, trouble.fix)
    expect((await examine(user, settings)).troubles).toEqual([])
  })

  it('counts what killed processes have left, and removes it', async () => {
    await makeStore()
    await mkdir(path.join(store, 'tmp'))
    for (const folder of ['blobs/tmp', 'tmp']) {
      const staged = path.join(store, folder, '0123456789abcdef-4194304-0123456789abcdef-0')
      await writeFile(staged, Buffer.alloc(1024))
      await utimes(staged, 0, 0)
    }
    await writeFile(path.join(store, 'signing.key.0123456789ab'), 'half a key')
    const trouble = onlyTrouble(await examine(user, settings))
    expect(trouble).toMatchObject({ check: 'leftovers', status: 'warn' })
    expect(trouble.message).toContain('3 files (2.0 KiB)')
    await paste(user, trouble.fix)
    expect((await examine(user, settings)).troubles).toEqual([])
  })

  it('looks at each of several stores', async () => {
    const [warm, cold] = [user.join('warm'), user.join('cold')]
    const tables = [warm, cold].map(
      (folder) => `[[stores]]\nname = "${path.basename(folder)}"\ntype = "fs"\npath = "${folder}"\n`,
    )
    await user.write('stores.toml', tables.join(''))
    const args = [...settings, '--config', user.join('stores.toml')]
    await mkdir(path.join(cold, 'tmp'), { recursive: true })
    await chmod(cold, 0o777)
    await writeFile(path.join(cold, 'tmp', '4194304-0123456789abcdef-0'), 'half')
    await utimes(path.join(cold, 'tmp', '4194304-0123456789abcdef-0'), 1, 1)
    const { findings } = await examine(user, args)
    const about = (check: string): string =>
      findings
        .filter((one) => one.check === check)
        .map(({ message }) => message)
        .join('\n')
    expect(about('store')).toMatch(new RegExp(`${warm} is not there yet.*\n.*others may write in ${cold}`))
    expect(about('disk')).toContain(`free for ${cold}`)
    expect(about('leftovers')).toContain('1 file')
  })

  it('names what the next start changes in the tables of an older depot, and that start ends it', async () => {
    await mkdir(store, { mode: 0o700 })
    const database = new Database(path.join(store, 'depot.db'))
    database.pragma('journal_mode = wal')
    migrateSqlite(database, readMigrations('sqlite').slice(0, 1))
    database.close()
    await chmod(path.join(store, 'depot.db'), 0o600)
    const trouble = onlyTrouble(await examine(user, settings))
    expect(trouble).toMatchObject({ check: 'database', status: 'warn' })
    expect(trouble.message).toContain(readMigrations('sqlite')[1]?.name)
    expect(trouble.fix).toMatch(/^depot serve/)
    const without = await examine(user, [...settings, '--mode', 'api-server'])
    expect(onlyTrouble(without)).toMatchObject({
      check: 'database',
      status: 'fail',
      message: expect.stringContaining('--mode api-server does not start on them') as unknown,
      fix: expect.stringMatching(/^depot serve --mode db-migrations/) as unknown,
    })
    await makeStore()
    expect((await examine(user, settings)).troubles).toEqual([])
  })

  it('fails for a database that is not there when the server is not one to make it', async () => {
    expect((await examine(user, settings)).troubles).toEqual([])
    const trouble = onlyTrouble(await examine(user, [...settings, '--mode', 'api-server']))
    expect(trouble).toMatchObject({ check: 'database', status: 'fail' })
    expect(trouble.fix).toMatch(/^depot serve --mode db-migrations/)
  })

  it('fails for the tables of a newer depot', async () => {
    await makeStore()
    const database = new Database(path.join(store, 'depot.db'))
    database.exec("INSERT INTO migration VALUES ('9999-of-tomorrow', 0)")
    database.close()
    const found = await examine(user, settings)
    expect(onlyTrouble(found)).toMatchObject({ check: 'database', status: 'fail' })
    expect(onlyTrouble(found).message).toContain('9999-of-tomorrow')
    expect(found.status).toBe(1)
  })

  it('fails for a database with damaged pages', async () => {
    await makeStore()
    await using file = await open(path.join(store, 'depot.db'), 'r+')
    const { size } = await file.stat()
    for (let at = 4096 * 2; at < size; at += 4096) await file.write(Buffer.alloc(64, 0xee), 0, 64, at)
    const { troubles } = await examine(user, settings)
    expect(troubles.map(({ check, status }) => `${check} ${status}`)).toEqual(['database fail'])
  })

  it('fails while another process keeps the database locked, and says which', async () => {
    await makeStore()
    const script = `const D = require('better-sqlite3'); const d = new D(process.argv[1]); d.exec('BEGIN IMMEDIATE'); console.log('locked'); setInterval(() => d, 1000)`
    const child = spawn(process.execPath, ['-e', script, path.join(store, 'depot.db')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const gone = once(child, 'exit')
    await once(child.stdout, 'data')
    const trouble = onlyTrouble(await examine(user, settings))
    expect(trouble).toMatchObject({ check: 'database', status: 'fail' })
    expect(trouble.message).toContain(`(${child.pid})`)
    await paste(user, trouble.fix.replace(/ {3}\(.*$/, ''))
    await gone
    expect((await examine(user, settings)).troubles).toEqual([])
  })

  it('names two servers that share one SQLite file', async () => {
    await using one = await startServerProcess({ dataDir: store })
    await using other = await startServerProcess({ dataDir: store })
    const trouble = onlyTrouble(await examine(user, settings))
    expect(trouble).toMatchObject({ check: 'database', status: 'warn' })
    for (const { pid } of [one, other]) expect(trouble.message).toContain(`(${pid})`)
    await paste(user, trouble.fix.replace(/ {3}\(.*$/, ''))
    await expect.poll(async () => (await examine(user, settings)).troubles, { timeout: 20_000 }).toEqual([])
  })

  it('tells each bad line of an auth file, and a file that lets nobody write', async () => {
    const key = await user.key()
    const file = await user.write('auth.keys', `w ${key.type} AAAA broken\nw ssh-dss AAAA old\n`)
    const args = [...settings, '--auth-file', file]
    const broken = onlyTrouble(await examine(user, args))
    expect(broken).toMatchObject({ check: 'auth-file', status: 'fail' })
    expect(broken.message).toMatch(/line 1: .*line 2: /)
    await user.write('auth.keys', `r ${key.type} ${key.base64} reader\n`)
    const readers = onlyTrouble(await examine(user, args))
    expect(readers).toMatchObject({ check: 'auth-file', status: 'warn' })
    await paste(user, readers.fix)
    expect((await examine(user, args)).troubles.map(({ message }) => message)).toEqual([
      expect.stringContaining('the key of line 1 again'),
    ])
  })

  it('names the variables that mean nothing, and files that nobody reads', async () => {
    const named = await user.write('named.toml', `store-path = ${JSON.stringify(store)}`)
    await user.write('.config/depot/depot.toml', '')
    const env = { DEPOT_STORAGE_PATH: '/srv', DEPOT_CONFIG: named }
    const { troubles, status } = await examine(user, ['--only', 'config,variables'], env)
    expect(troubles.map(({ check }) => check)).toEqual(['config', 'variables'])
    expect(troubles[1]).toMatchObject({ fix: 'unset DEPOT_STORAGE_PATH' })
    expect(troubles[1]?.message).toContain('did you mean DEPOT_STORE_PATH?')
    expect(status).toBe(0)
  })

  it('waits for no configuration that is a pipe, and says that it is none', async () => {
    const pipe = user.join('pipe.toml')
    execFileSync('mkfifo', [pipe])
    for (const [args, env] of [
      [[], { DEPOT_CONFIG: pipe }],
      [['--config', pipe], {}],
    ] as const) {
      const { troubles, status } = await examineByProcess(user, ['--only', 'config,port', ...args], env)
      expect(troubles).toMatchObject([{ check: 'config', status: 'fail' }])
      expect(troubles[0]?.message).toBe(`cannot read the configuration ${pipe}: it is not a regular file`)
      expect(status).toBe(1)
    }
  })

  it('says why a server would not start, and looks at what it can', async () => {
    const { troubles, status } = await examine(user, ['--listen-addr', ':8080'])
    expect(troubles.find(({ check }) => check === 'config')?.message).toContain('--auth-file')
    expect(status).toBe(1)
  })
})

describeWith('tmpfs', 'depot doctor, on a volume', () => {
  let user: CliUser

  beforeEach(async () => {
    user = await cliUser()
    return () => user[Symbol.asyncDispose]()
  })

  it('fails for one that is full, and does not once there is room', async () => {
    await using volume = await smallVolume(80)
    await fillUp(volume.path, volume.join('large'), 1024 * 1024)
    const args = ['--store-path', volume.path, '--only', 'store,disk,file-system']
    const full = await examine(user, args)
    expect(full.troubles.map(({ check, status }) => `${check} ${status}`)).toEqual([
      'store warn',
      'disk fail',
      'file-system warn',
    ])
    expect(full.troubles[2]?.message).toContain('gone after a restart')
    await rm(volume.join('large'))
    await chmod(volume.path, 0o700)
    const { troubles, status } = await examine(user, args)
    expect(troubles.map((each) => `${each.check} ${each.status}`)).toEqual(['disk warn', 'file-system warn'])
    expect(status).toBe(0)
  })

  it('fails for one that is mounted read-only, until it is mounted anew', async () => {
    await using volume = await smallVolume(8)
    await chmod(volume.path, 0o700)
    await paste(user, `mount -o remount,ro ${volume.path}`)
    const args = ['--store-path', volume.path, '--only', 'store']
    const trouble = onlyTrouble(await examine(user, args))
    expect(trouble).toMatchObject({ check: 'store', status: 'fail' })
    await paste(user, trouble.fix)
    expect((await examine(user, args)).troubles).toEqual([])
  })
})
