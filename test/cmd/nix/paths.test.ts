import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, it } from 'vitest'

import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { cliUser, depotFor, type CliUser } from '../../helpers/cli-user.ts'
import { describeWith } from '../../helpers/have.ts'
import { nix32 } from '../../helpers/nar.ts'
import { nixUpload, type NixUpload } from '../../helpers/nix-upload.ts'
import { runDepot } from '../../helpers/run-depot.ts'
import { startWorld } from '../../helpers/world.ts'

/** Store `lib`, and `app` that needs it. */
async function store(user: CliUser, url: string): Promise<{ readonly lib: NixUpload; readonly app: NixUpload }> {
  const token = (await user.ok(['token', 'create', url, '--scope', 'nix:*:*'])).trim()
  const put = async (path: string, body: Buffer | string): Promise<void> => {
    const bytes = typeof body === 'string' ? body : Uint8Array.from(body)
    const answer = await fetch(`${url}/nix/${path}`, {
      method: 'PUT',
      body: bytes,
      headers: { authorization: `Bearer ${token}` },
    })
    if (!answer.ok) throw new Error(await answer.text())
  }
  const lib = await nixUpload('lib', { name: 'lib-1.0' })
  const app = await nixUpload('app', { name: 'app-1.0' })
  await put(`nar/${lib.fileName}`, lib.body)
  await put(`${lib.storeHash}.narinfo`, lib.narinfo())
  await put(`nar/${app.fileName}`, app.body)
  await put(`${app.storeHash}.narinfo`, app.narinfo({ References: `${lib.storeHash}-lib-1.0` }))
  return { lib, app }
}

describeWith('openssh', 'depot nix', () => {
  it('lists, describes and deletes paths, and refuses what others need', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.ok(['login', depot.url])
    const { lib, app } = await store(user, depot.url)
    const [libPath, appPath] = [`/nix/store/${lib.storeHash}-lib-1.0`, `/nix/store/${app.storeHash}-app-1.0`]

    const listed = await user.ok(['nix', 'list'])
    expect(listed).toMatch(/^stored +size +refs {2}path\n/)
    expect(
      listed
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(/ +/).at(-1)),
    ).toEqual([libPath, appPath].sort())
    const json = await user.ok(['nix', 'list', depot.url, '--prefix', 'app', '--json'])
    expect(JSON.parse(json)).toMatchObject({ path: appPath, references: 1, narSize: app.nar.byteLength })
    for (const prefix of [appPath, app.storeHash.slice(0, 20)])
      expect(await user.ok(['nix', 'list', '--prefix', prefix])).toContain(appPath)

    const info = await user.ok(['nix', 'info', libPath, app.storeHash, depot.url])
    expect(info).toContain(`  needed by    ${appPath}\n`)
    expect(info).toContain(`  refers to    ${libPath}\n`)
    expect(info).toContain(`  uploaded as  nar/${lib.fileName}\n`)
    expect(JSON.parse(await user.ok(['nix', 'info', '--json', libPath]))).toMatchObject({ referrers: [appPath] })
    const missing = await user.run(['nix', 'info', '0'.repeat(32), libPath])
    expect(missing).toMatchObject({ status: 1 })
    expect(missing.stdout).toContain(libPath)

    const refused = await user.run(['nix', 'rm', '--yes', `${libPath}/bin/x`])
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toContain(`needed by ${app.storeHash}-app-1.0`)
    const nobody = await user.run(['nix', 'rm', '--closure', appPath])
    expect(nobody).toMatchObject({ status: 2, stdout: '' })
    expect(nobody.stderr).toContain('--yes')
    expect(await user.ok(['nix', 'rm', '--closure', '--dry-run', appPath])).toBe(
      `would delete ${appPath}\nwould delete ${libPath}\n`,
    )
    expect(await user.ok(['nix', 'rm', '--referrers', '--yes', '--json', lib.storeHash, depot.url])).toBe(
      `${[appPath, libPath].map((path, index) => JSON.stringify({ path, narSize: [app, lib][index]?.nar.byteLength, deleted: true })).join('\n')}\n`,
    )
    expect(await user.ok(['nix', 'list', '--json'])).toBe('')
  })

  it('needs the right to delete', async () => {
    await using user = await cliUser()
    const key = await user.key()
    await using depot = await depotFor(user, [{ right: 'w', key }])
    await user.ok(['login', depot.url])
    const { app } = await store(user, depot.url)
    const token = async (scope: string): Promise<Record<string, string>> => ({
      DEPOT_AUTH_TOKEN: (await user.ok(['token', 'create', '--scope', scope])).trim(),
    })
    const writer = await user.run(['nix', 'rm', '--yes', app.storeHash], await token('nix:write:*'))
    expect(writer).toMatchObject({ status: 1, stdout: '' })
    expect(writer.stderr).toContain('do not permit')
    expect(await user.ok(['nix', 'rm', '--yes', app.storeHash], await token('nix:delete:*'))).toContain('deleted')
    expect(await user.ok(['nix', 'list'], await token('nix:read:*'))).toContain('lib-1.0')
  })

  it.each([
    [['nix', 'info']],
    [['nix', 'rm', 'http://127.0.0.1:9']],
    [['nix', 'rm', '/nix/store/x']],
    [['nix', 'rm', './result']],
    [['nix', 'rm', '0'.repeat(32), '--closure', '--referrers', 'http://127.0.0.1:9']],
  ])('takes %j for wrong usage', async (args) => {
    await using user = await cliUser()
    expect((await user.run(args)).status).toBe(2)
  })

  it('deletes in several steps what is too much for one, and breaks nothing between them', async () => {
    await using world = await startWorld()
    const count = 2 * LIMITS.nixDeletedPathsMax + 7
    const names = Array.from({ length: count }, (_, index) => {
      // In no order that a list has.
      return `${nix32(createHash('sha1').update(`${index}`).digest())}-p${index}`
    })
    const puts = names.map((baseName, index) => {
      const references = [index - 1, index >> 1].filter((at) => at >= 0 && at < index).map((at) => names[at] ?? '')
      const entry = { baseName, narHash: 'a'.repeat(64), narSizeBytes: 1, references: [...new Set(references)] }
      return { kind: 'nix-path', key: baseName.slice(0, 32), value: JSON.stringify(entry) }
    })
    await world.depot.commit(MAIN_CACHE, { puts })
    const wanted = JSON.stringify({ paths: names.map((name) => name.slice(0, 32)).slice(0, 1), also: 'referrers' })
    const atOnce = await world.fetch('/nix/-/deletions', { method: 'POST', body: wanted })
    expect(atOnce.status).toBe(413)
    const { status, stdout } = await runDepot(['nix', 'rm', '--referrers', '--yes', names[0] ?? '', world.url])
    expect(status).toBe(0)
    const deleted = stdout
      .trim()
      .split('\n')
      .map((line) => line.slice('deleted /nix/store/'.length))
    expect(deleted).toEqual(names.toReversed())
    expect(await world.depot.kv.list(1, 'nix-path', { from: '', limit: 1 })).toEqual([])
    expect(await world.depot.kv.list(1, 'nix-referrer', { from: '', limit: 1 })).toEqual([])
    expect(world.bugs).toEqual([])
  })

  it('shows nothing that a terminal obeys, whatever a depot says', async () => {
    await using user = await cliUser()
    const evil = '/nix/store/\u001b]0;evil\u0007\u009b2J\u202eabc'
    const paths = [{ path: evil, narHash: evil, narSize: 1, references: 1, since: 0 }]
    const server = createServer((_request, response) => response.end(JSON.stringify({ paths, next: 'x' }))).listen(0)
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      for (const more of [[], ['--json']]) {
        const stdout = await user.ok(['nix', 'list', url, ...more], { DEPOT_AUTH_TOKEN: 'dpt_x' })
        expect(stdout).toContain('abc')
        expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{C}/u)
      }
    } finally {
      server.close()
    }
  })
})
