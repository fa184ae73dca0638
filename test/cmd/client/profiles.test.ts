import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { changeProfiles, readProfiles, withDepot } from '../../../cmd/client/profiles.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const url = 'https://depot.example'

describe('the profiles', () => {
  it('are empty at first, and come back as they were written, for their owner only', async () => {
    await using home = await tempDir()
    const env = { HOME: home.path }
    expect(await readProfiles(env)).toEqual({ depots: {} })
    await changeProfiles(env, (profiles) => ({
      ...withDepot(profiles, url, (profile) => ({ ...profile, identity: '/home/müller/.ssh/id' })),
      current: url,
    }))
    expect(await readProfiles(env)).toEqual({ current: url, depots: { [url]: { identity: '/home/müller/.ssh/id' } } })
    expect(await readFile(home.join('.config/depot/profiles.json'), 'utf8')).toContain('müller')
    expect((await stat(home.join('.config/depot/profiles.json'))).mode & 0o777).toBe(0o600)
    await changeProfiles(env, (profiles) => withDepot(profiles, url, () => undefined))
    expect(await readProfiles(env)).toEqual({ current: url, depots: {} })
  })

  it('keep what several commands write at once', async () => {
    await using home = await tempDir()
    const env = { HOME: home.path, XDG_CONFIG_HOME: home.join('xdg') }
    const names = Array.from({ length: 10 }, (_, number) => `https://depot-${number}.example`)
    await Promise.all(
      names.map((name) => changeProfiles(env, (profiles) => withDepot(profiles, name, (known) => known))),
    )
    expect(Object.keys((await readProfiles(env)).depots).toSorted()).toEqual(names)
  })

  it.each(['{', '[]', '{"depots": {"x": {"tokens": [1]}}}', '{"depots": {"x": {"edits": [{"kind": "rm"}]}}}'])(
    'are refused, and the file is named, when it holds %s',
    async (content) => {
      await using home = await tempDir()
      const env = { HOME: home.path }
      await mkdir(home.join('.config/depot'), { recursive: true })
      await writeFile(home.join('.config/depot/profiles.json'), content)
      await expect(readProfiles(env)).rejects.toThrow(`${home.join('.config/depot/profiles.json')} is broken`)
      await expect(changeProfiles(env, (profiles) => profiles)).rejects.toThrow('is broken')
      expect(await readFile(home.join('.config/depot/profiles.json'), 'utf8')).toBe(content)
    },
  )
})
