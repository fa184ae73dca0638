import { describe, expect, it } from 'vitest'

import { configHome, configPaths, homeOf } from '../../cmd/environment.ts'

describe('configHome', () => {
  it('is where XDG_CONFIG_HOME says; a relative or empty one counts as none', () => {
    expect(homeOf({ HOME: '/h' })).toBe('/h')
    expect(configHome({ HOME: '/h', XDG_CONFIG_HOME: '/x' })).toBe('/x')
    for (const none of ['x', '', './x']) expect(configHome({ HOME: '/h', XDG_CONFIG_HOME: none })).toBe('/h/.config')
  })
})

describe('configPaths', () => {
  it('never looks into the working directory', () => {
    expect(configPaths({}, '/home/me')).toEqual(['/home/me/.config/depot/depot.toml', '/etc/depot/depot.toml'])
    expect(configPaths({ XDG_CONFIG_HOME: '/x' }, '/home/me')[0]).toBe('/x/depot/depot.toml')
    expect(configPaths({ XDG_CONFIG_HOME: '' }, '/home/me')[0]).toBe('/home/me/.config/depot/depot.toml')
  })
})
