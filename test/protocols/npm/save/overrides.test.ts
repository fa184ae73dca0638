import { describe, expect, it } from 'vitest'

import { override, parseOverrides } from '../../../../protocols/npm/save/overrides.ts'

/** What a chain of edges asks for at its end, each `name@spec`. */
function asked(packageJson: Record<string, unknown>, ...chain: readonly string[]): string {
  let rules = parseOverrides(packageJson)
  let spec = ''
  for (const text of chain) {
    const at = text.lastIndexOf('@')
    const found = override({ name: text.slice(0, at), spec: text.slice(at + 1), optional: false }, rules)
    ;({ spec, rules } = found)
  }
  return spec
}

describe('overrides of package.json', () => {
  it('replace what is asked of a name, wherever that is', () => {
    const overrides = { foo: '1.0.0' }
    expect(asked({ overrides }, 'foo@^2')).toBe('1.0.0')
    expect(asked({ overrides }, 'bar@1', 'baz@1', 'foo@^2')).toBe('1.0.0')
    expect(asked({ overrides }, 'bar@^3')).toBe('^3')
  })

  it('replace what is asked of a range only where it meets the range', () => {
    const overrides = { 'foo@^1': '1.9.0', '@s/foo@2': '2.2.2' }
    expect(asked({ overrides }, 'foo@^1.2')).toBe('1.9.0')
    expect(asked({ overrides }, 'foo@^2')).toBe('^2')
    expect(asked({ overrides }, '@s/foo@2.0.1')).toBe('2.2.2')
    expect(asked({ overrides }, 'foo@next')).toBe('1.9.0')
  })

  it('hold below a package when they are nested, and nowhere else', () => {
    const overrides = { bar: { foo: '1.0.0' } }
    expect(asked({ overrides }, 'bar@2', 'baz@1', 'foo@^2')).toBe('1.0.0')
    expect(asked({ overrides }, 'other@2', 'foo@^2')).toBe('^2')
    expect(asked({ overrides: { bar: { '.': '3.0.0', foo: '1.0.0' } } }, 'bar@2')).toBe('3.0.0')
    expect(asked({ overrides: { bar: { baz: { foo: '1.0.0' } } } }, 'bar@2', 'foo@^2')).toBe('^2')
    expect(asked({ overrides: { bar: { baz: { foo: '1.0.0' } } } }, 'bar@2', 'baz@1', 'foo@^2')).toBe('1.0.0')
  })

  it('are nearer when they are nested deeper', () => {
    const overrides = { foo: '1.0.0', bar: { foo: '2.0.0' } }
    expect(asked({ overrides }, 'foo@^3')).toBe('1.0.0')
    expect(asked({ overrides }, 'bar@1', 'foo@^3')).toBe('2.0.0')
  })

  it('refer with $ to what the project asks for', () => {
    const packageJson = { dependencies: { foo: '^5.0.0' }, overrides: { foo: '$foo' } }
    expect(asked(packageJson, 'bar@1', 'foo@^2')).toBe('^5.0.0')
    expect(() => parseOverrides({ overrides: { foo: '$foo' } })).toThrow(/'\$foo' refers to nothing/)
  })

  it.each([
    [{ foo: 1 }, /'foo' is neither a version nor an object/],
    [{ 'foo@no range': '1' }, /names no range/],
    [{ foo: { '.': 1 } }, /no text/],
  ])('that npm would not take are refused: %j', (overrides, message) => {
    expect(() => parseOverrides({ overrides })).toThrow(message)
  })

  it('that nest without end are refused', () => {
    let overrides: unknown = '1.0.0'
    for (let depth = 0; depth < 100; depth++) overrides = { foo: overrides }
    expect(() => parseOverrides({ overrides })).toThrow(/too deep/)
  })
})
