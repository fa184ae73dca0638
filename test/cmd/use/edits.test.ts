import { describe, expect, it } from 'vitest'

import { USED_CLIENTS, useEdits, type UsedClient } from '../../../cmd/use/edits.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const publicKeys = ['depot-1:AAAA=']

async function editsFor(url: string, clients: readonly UsedClient[], env: Readonly<Record<string, string>>) {
  return useEdits({ url: new URL(url), clients: new Set(clients), env, publicKeys, withToken: true })
}

describe('useEdits', () => {
  it('writes where each client looks', async () => {
    await using home = await tempDir()
    const edits = await editsFor('https://depot.example/team', USED_CLIENTS, { HOME: home.path })
    expect(edits.map(({ kind, file }) => `${kind} ${file.slice(home.path.length)}`)).toEqual([
      'nix-word /.config/nix/nix.conf',
      'nix-word /.config/nix/nix.conf',
      'nix-value /.config/nix/nix.conf',
      'netrc /.netrc',
      'npmrc /.npmrc',
      'npmrc /.npmrc',
      'pip-conf /.config/pip/pip.conf',
      'uv-index /.config/uv/uv.toml',
    ])
    const text = JSON.stringify(edits)
    expect(text).toContain('"https://depot.example/team/nix"')
    expect(text).toContain('"//depot.example/team/npm/:_authToken"')
    expect(text).toContain('"https://depot.example/team/python/simple/"')
  })

  it('obeys the variables by which clients are told of other files', async () => {
    const env = {
      HOME: '/nowhere',
      NETRC: '/a/netrc',
      NIX_USER_CONF_FILES: '/a/nix.conf:/b/nix.conf',
      NPM_CONFIG_USERCONFIG: '/a/npmrc',
      PIP_CONFIG_FILE: '/a/pip.conf',
      UV_CONFIG_FILE: '/a/uv.toml',
    }
    const files = new Set((await editsFor('https://h/', USED_CLIENTS, env)).map(({ file }) => file))
    expect([...files]).toEqual(['/a/nix.conf', '/a/netrc', '/a/npmrc', '/a/pip.conf', '/a/uv.toml'])
  })

  it('tells pip to trust a depot on plain http, this machine aside', async () => {
    const trusted = async (url: string) =>
      (await editsFor(url, ['pip'], { HOME: '/nowhere' })).find((edit) => 'key' in edit && edit.key === 'trusted-host')
    expect(await trusted('http://depot.lan:8080/')).toMatchObject({ value: 'depot.lan:8080' })
    expect(await trusted('http://127.0.0.1:8080/')).toBeUndefined()
    expect(await trusted('https://depot.lan/')).toBeUndefined()
  })
})
