import { describe, expect, it } from 'vitest'

import { configHome, homeOf } from '../../cmd/home.ts'

describe('configHome', () => {
  it('is where XDG_CONFIG_HOME says; a relative or empty one counts as none', () => {
    expect(homeOf({ HOME: '/h' })).toBe('/h')
    expect(configHome({ HOME: '/h', XDG_CONFIG_HOME: '/x' })).toBe('/x')
    for (const none of ['x', '', './x']) expect(configHome({ HOME: '/h', XDG_CONFIG_HOME: none })).toBe('/h/.config')
  })
})
