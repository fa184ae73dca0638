import { describe, expect, it } from 'vitest'

import { mergeSettings, unknownVariables, variableOf, type SettingTable } from '../../../cmd/settings/settings.ts'

const table: SettingTable = {
  'listen-addr': { type: 'string', description: '' },
  verbose: { type: 'boolean', description: '' },
  'allowed-host': { type: 'list', description: '' },
}

function merge(flags: Record<string, string[]>, env: Record<string, string>, text?: string) {
  return Object.fromEntries(
    mergeSettings(table, { flags, env, ...(text === undefined ? {} : { file: { path: 'f', text } }) }),
  )
}

describe('mergeSettings', () => {
  it('takes flags before variables before the file', () => {
    const file = 'listen-addr = ":1"\nverbose = true'
    expect(merge({ 'listen-addr': [':3'] }, { DEPOT_LISTEN_ADDR: ':2' }, file)).toEqual({
      'listen-addr': [':3'],
      verbose: ['true'],
    })
    expect(merge({}, { DEPOT_LISTEN_ADDR: ':2' }, file)).toEqual({ 'listen-addr': [':2'], verbose: ['true'] })
    expect(merge({}, { DEPOT_LISTEN_ADDR: '' }, file)).toEqual({ 'listen-addr': [':1'], verbose: ['true'] })
    expect(merge({}, {})).toEqual({})
  })

  it('reads lists from each source', () => {
    expect(merge({ 'allowed-host': ['a', 'b'] }, {})).toEqual({ 'allowed-host': ['a', 'b'] })
    expect(merge({}, { DEPOT_ALLOWED_HOST: 'a, b' })).toEqual({ 'allowed-host': ['a', 'b'] })
    expect(merge({}, {}, 'allowed-host = ["a", "b"]')).toEqual({ 'allowed-host': ['a', 'b'] })
    expect(merge({}, {}, 'allowed-host = "a"')).toEqual({ 'allowed-host': ['a'] })
  })

  it('refuses an unknown key of the file with the nearest known one', () => {
    expect(() => merge({}, {}, 'listen-adr = "x"')).toThrow(
      "f: unknown setting 'listen-adr' (did you mean listen-addr?)",
    )
    expect(() => merge({}, {}, 'constructor = "x"')).toThrow("unknown setting 'constructor'")
  })

  it.each(['verbose = "yes"', 'listen-addr = true', 'allowed-host = 1', 'not toml'])('refuses the file %j', (text) => {
    expect(() => merge({}, {}, text)).toThrow(/^f: /)
  })

  it('refuses a single value given twice', () => {
    expect(() => merge({ 'listen-addr': ['a', 'b'] }, {})).toThrow('--listen-addr was given 2 times')
  })
})

describe('unknownVariables', () => {
  it('warns of slips and stays silent about what others set', () => {
    const env = {
      DEPOT_LISTEN_ADR: 'x',
      DEPOT_CONFIG: 'x',
      DEPOT_TEST_NIX: 'x',
      DEPOT_PORT_80_TCP: 'x',
      DEPOT_SERVICE_HOST: 'x',
      PATH: 'x',
    }
    expect(unknownVariables(table, env)).toEqual([
      'the variable DEPOT_LISTEN_ADR means nothing to depot (did you mean DEPOT_LISTEN_ADDR?)',
    ])
  })
})

describe('variableOf', () => {
  it('names the variable of a flag', () => {
    expect(variableOf('listen-addr')).toBe('DEPOT_LISTEN_ADDR')
  })
})
