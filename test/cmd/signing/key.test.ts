import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { parsePublicKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { startServerProcess } from '../../helpers/server-process.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

async function ok(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runDepot(args)
  expect({ status, stderr }).toMatchObject({ status: 0 })
  return stdout
}

async function publicKeysOf(url: string): Promise<readonly string[]> {
  const info = await (await fetch(`${url}/nix/nix-cache-info`)).text()
  return [...info.matchAll(/^PublicKey: (?<key>.*)$/gm)].map(({ groups }) => groups?.['key'] ?? '')
}

describe('depot key', () => {
  it('generates a key into a file of its owner and prints the public one alone', async () => {
    await using home = await tempDir('keys')
    const file = home.join('folder', 'cache.key')
    const shown = await ok('key', 'generate', '--name', 'cache.example.org-1', '--output', file)
    const secret = readFileSync(file, 'utf8')
    expect(shown).toBe(`${parseSecretKey(secret).publicKey}\n`)
    expect(shown).toMatch(/^cache\.example\.org-1:/)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(path.dirname(file))).toEqual(['cache.key'])
    expect(await ok('key', 'public', file)).toBe(shown)
    const again = await runDepot(['key', 'generate', '--output', file])
    expect(again).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('is there already') as unknown,
    })
    expect(readFileSync(file, 'utf8')).toBe(secret)
    expect(readdirSync(path.dirname(file))).toEqual(['cache.key'])
  })

  it('generates a key to standard output, under a name that no other depot has', async () => {
    const [one, two] = [await ok('key', 'generate'), await ok('key', 'generate')]
    expect(one).toMatch(/^depot-[0-9a-f]{8}-1:[A-Za-z0-9+/]{86}==\n$/)
    expect(two.split(':')[0]).not.toBe(one.split(':')[0])
    expect(parsePublicKey(parseSecretKey(one).publicKey).verify('x', parseSecretKey(one).sign('x'))).toBe(true)
  })

  it.each([
    [['key', 'generate', '--name', 'two words'], '--name takes'],
    [['key', 'generate', '--name', 'a:b'], '--name takes'],
    [['key', 'public'], 'which key?'],
    [['key', 'public', '/proc/nowhere/a.key'], 'is not there'],
    [['key', 'public', '/proc/self/mem'], 'cannot be read'],
    [['key', 'public', '/etc/hostname'], 'is not a Nix secret key'],
    [['key', 'rotate', '--store-path', '/proc/nowhere'], 'no key in /proc/nowhere yet'],
    [['key', 'rotate', '--private-key', '/proc/nowhere/a.key'], 'named by --private-key'],
    [['key', 'list', '--private-key', '/proc/nowhere/a.key'], 'is not there'],
    [['key', 'rotat'], "unknown command 'key rotat'"],
  ])('%j is refused with a reason', async (args, reason) => {
    const { status, stdout, stderr } = await runDepot(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(reason)
  })

  it('rotates: the next start signs with both, and with the new one alone when the old file has gone', async () => {
    await using home = await tempDir('rotate')
    const dataDir = home.join('data')
    expect(await ok('key', 'list', '--store-path', dataDir)).toBe('')
    const [old = ''] = await startAndAsk()
    const made = await runDepot(['key', 'rotate', '--store-path', dataDir])
    const next = made.stdout.trim()
    expect(made.status).toBe(0)
    expect(next.split(':')[0]).toBe(old.split(':')[0]?.replace(/-1$/, '-2'))
    expect(made.stderr).toContain(`move ${path.join(dataDir, 'signing.key')} away`)
    const file = path.join(dataDir, 'signing-2.key')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(made.stdout + made.stderr).not.toContain(readFileSync(file, 'utf8').split(':')[1]?.trim())
    expect(await ok('key', 'list', '--store-path', dataDir)).toBe(
      `${old}  ${path.join(dataDir, 'signing.key')}\n${next}  ${file}\n`,
    )
    expect(await startAndAsk()).toEqual([old, next])

    renameSync(path.join(dataDir, 'signing.key'), home.join('old.key'))
    expect(await startAndAsk()).toEqual([next])
    expect(readdirSync(dataDir)).not.toContain('signing.key')
    const third = (await ok('key', 'rotate', '--store-path', dataDir, '--name', 'third')).trim()
    expect(await startAndAsk()).toEqual([next, third])
    expect((await runDepot(['key', 'rotate', '--store-path', dataDir, '--name', 'third'])).stderr).toContain('already')
    expect(await ok('key', 'rotate', '--store-path', dataDir)).toMatch(/^third-2:/)

    /** Public keys of a server that is started, as the greeting and the cache name them. */
    async function startAndAsk(): Promise<readonly string[]> {
      await using server = await startServerProcess({ dataDir })
      const keys = await publicKeysOf(server.url)
      expect(server.greeting).toContain(`--option trusted-public-keys '${keys.join(' ')}'`)
      return keys
    }
  })

  it('names several files by repeating the flag, by commas in the variable, and in the file', async () => {
    await using home = await tempDir('several')
    const files = [home.join('a.key'), home.join('b.key')]
    const keys: string[] = []
    for (const [index, file] of files.entries())
      keys.push((await ok('key', 'generate', '--name', `k-${index}`, '--output', file)).trim())
    const [one = '', two = ''] = files
    const listing = `${keys[0]}  ${one}\n${keys[1]}  ${two}\n`
    expect(await ok('key', 'list', '--private-key', one, '--private-key', two)).toBe(listing)
    expect((await runDepot(['key', 'list'], { DEPOT_PRIVATE_KEY: `${one},${two}` })).stdout).toBe(listing)
    const config = home.join('depot.toml')
    writeFileSync(config, `private-key = ["${one}", "${two}"]\n`)
    expect(await ok('key', 'list', '--config', config)).toBe(listing)
    writeFileSync(config, `private-key = "${one}"\n`)
    expect(await ok('key', 'list', '--config', config)).toBe(`${keys[0]}  ${one}\n`)
    await using server = await startServerProcess({ args: ['--private-key', one, '--private-key', two] })
    expect(await publicKeysOf(server.url)).toEqual(keys)
    const twice = await runDepot(['serve', '--private-key', one, '--private-key', one, '--check-config'])
    expect(twice).toMatchObject({ status: 2, stderr: expect.stringContaining('two keys are called k-0') as unknown })
  })

  it('checks keys in the store path before it says that a configuration is fine', async () => {
    await using home = await tempDir('check')
    mkdirSync(home.join('data'))
    writeFileSync(home.join('data', 'signing-2.key'), 'my-secret-text-that-is-no-key')
    const refused = await runDepot(['serve', '--store-path', home.join('data'), '--check-config'])
    expect(refused.status).toBe(2)
    expect(refused.stderr).toContain('signing-2.key is not a Nix secret key')
    expect(refused.stderr).not.toContain('my-secret-text')
  })
})
