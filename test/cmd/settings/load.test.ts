import { writeFile } from 'node:fs/promises'

import { describe, expect, it } from 'vitest'

import { loadSettings } from '../../../cmd/settings/load.ts'
import type { SettingTable } from '../../../cmd/settings/settings.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const TABLE: SettingTable = { 'store-path': { type: 'string', description: '' } }

describe('the settings of a command', () => {
  it('come from the file that a variable names, and an empty variable names none', async () => {
    await using dir = await tempDir('settings')
    await writeFile(dir.join('depot.toml'), 'store-path = "/srv"')
    const load = (DEPOT_CONFIG: string) => loadSettings(TABLE, {}, { HOME: dir.path, DEPOT_CONFIG }).values
    expect(load(dir.join('depot.toml')).get('store-path')).toEqual(['/srv'])
    expect(load('').size).toBe(0)
    expect(() => load(dir.join('none.toml'))).toThrow('cannot read the configuration')
  })
})
