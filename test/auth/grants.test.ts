import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { covers, printGrant, parseGrant, parseGrants, permits } from '../../auth/grants.ts'
import { ACTIONS, SOME_NAME, type Action, type Grant, type Resource } from '../../src/access.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { cpuMs } from '../helpers/cpu-ms.ts'

const ECOSYSTEMS = ['nix', 'npm', 'python']

describe('parseGrant', () => {
  it.each(['*:*:*', 'npm:write:@acme/*', 'python:read:acme-*', 'nix:write:*', '*:admin:*', 'npm:delete:JSONStream'])(
    'reads %s and writes it the same',
    (text) => {
      expect(printGrant(parseGrant(text, ECOSYSTEMS))).toBe(text)
    },
  )

  it.each([
    ['', '"" is no grant: it is <ecosystem>:<action>:<pattern>, as in npm:read:*'],
    ['npm:read', '"npm:read" is no grant'],
    ['npm:read:*:*', 'is no grant'],
    ['npmm:read:*', '"npmm" is no ecosystem: it is nix, npm, python, * (did you mean npm?)'],
    ['NPM:read:*', '"NPM" is no ecosystem'],
    ['npm:wirte:*', '"wirte" is no action: it is read, write, delete, admin, * (did you mean write?)'],
    ['npm:account:*', '"account" is no action'],
    ['npm:public:*', '"public" is no action'],
    ['npm:read:', '"" is no pattern'],
    ['npm:read:a b', '"a b" is no pattern'],
    ['npm:read:[a]', '"[a]" is no pattern'],
    ['npm:read:é', '"?" is no pattern'],
    ['npm:read:@acme/**', 'one * stands for any characters, / too'],
    ['nix:read:abc*', 'its only pattern is *: nix:read:*'],
    [`npm:read:${'a'.repeat(300)}`, 'a pattern has at most 256 characters'],
    ['a'.repeat(10_000), 'a grant has at most 512 characters'],
    [' npm:read:*', '" npm" is no ecosystem'],
    ['constructor:read:*', 'is no ecosystem'],
    ['npm:\u009b31m\u0007:*', '"?31m?" is no action'],
  ])('refuses %j', (text, message) => {
    expect(() => parseGrant(text, ECOSYSTEMS)).toThrow(message)
    expect(() => parseGrant(text, ECOSYSTEMS)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
  })

  it('throws nothing but its refusal, whatever comes in, and shows little of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
        try {
          expect(printGrant(parseGrant(text, ECOSYSTEMS))).toBe(text)
        } catch (error) {
          expect(error).toBeInstanceOf(DepotError)
          expect(String(error).length).toBeLessThan(200)
        }
      }),
    )
  })
})

describe('parseGrants', () => {
  it('reads several with commas between them', () => {
    expect(parseGrants('npm:*:@acme/*,python:read:*', ECOSYSTEMS).map(printGrant)).toEqual([
      'npm:*:@acme/*',
      'python:read:*',
    ])
  })

  it.each(['', ',', 'npm:read:*,', ',npm:read:*', 'npm:read:*,,npm:read:x', 'npm:read:*, npm:read:x'])(
    'refuses %j',
    (text) => {
      expect(() => parseGrants(text, ECOSYSTEMS)).toThrow(DepotError)
    },
  )

  it('refuses more than the limit, and takes as many', () => {
    const grants = Array.from({ length: LIMITS.grantsMax }, () => 'npm:read:*')
    expect(parseGrants(grants.join(','), ECOSYSTEMS)).toHaveLength(LIMITS.grantsMax)
    expect(() => parseGrants([...grants, 'npm:read:*'].join(','), ECOSYSTEMS)).toThrow('more than 100 grants')
  })
})

describe('permits', () => {
  it('permits nothing without layers, and nothing with an empty one', () => {
    expect(permits([], 'read', npm('x'))).toBe(false)
    expect(permits([[]], 'read', npm('x'))).toBe(false)
    expect(permits([grants('*:*:*'), []], 'read', npm('x'))).toBe(false)
  })

  it('needs every layer', () => {
    const limits = [grants('*:*:*'), grants('npm:read:*'), grants('npm:*:@acme/*')]
    expect(permits(limits, 'read', npm('@acme/x'))).toBe(true)
    expect(permits(limits, 'write', npm('@acme/x'))).toBe(false)
    expect(permits(limits, 'read', npm('x'))).toBe(false)
    expect(permits(limits, 'read', { cache: 'main', ecosystem: 'python', name: 'x' })).toBe(false)
  })

  it.each([
    ['read', ['read']],
    ['write', ['read', 'write']],
    ['delete', ['delete']],
    ['admin', ['admin']],
    ['*', ['read', 'write', 'delete', 'admin']],
  ])('lets %s do %j and nothing else', (action, expected) => {
    const limits = [grants(`npm:${action}:*`)]
    expect(ACTIONS.filter((each) => permits(limits, each, npm('x')))).toEqual(expected)
  })

  it('lets only * do what concerns the whole ecosystem', () => {
    expect(permits([grants('npm:read:*')], 'read', npm(''))).toBe(true)
    expect(permits([grants('npm:read:@*,npm:read:*a,npm:read:a*')], 'read', npm(''))).toBe(false)
  })

  it('lets any pattern do what may concern any name, in the ecosystem and with the action of the grant', () => {
    const limits = [grants('python:write:acme-*')]
    expect(permits(limits, 'write', { cache: 'main', ecosystem: 'python', name: SOME_NAME })).toBe(true)
    expect(permits(limits, 'delete', { cache: 'main', ecosystem: 'python', name: SOME_NAME })).toBe(false)
    expect(permits(limits, 'write', npm(SOME_NAME))).toBe(false)
  })

  it('never picks hashes of Nix by a pattern that is meant for names', () => {
    for (const name of ['nar/0abc.nar', '0abc', SOME_NAME] as const) {
      const resource: Resource = { cache: 'main', ecosystem: 'nix', name }
      expect(permits([grants('*:read:*a*')], 'read', resource)).toBe(false)
      expect(permits([grants('*:read:*')], 'read', resource)).toBe(true)
    }
  })

  it('counts case, and takes no character but * for another', () => {
    expect(permits([grants('npm:read:JSONStream')], 'read', npm('jsonstream'))).toBe(false)
    expect(permits([grants('npm:read:a.c')], 'read', npm('abc'))).toBe(false)
    expect(permits([grants('npm:read:@acme/*')], 'read', npm('@acmeevil/x'))).toBe(false)
    expect(permits([grants('npm:read:@acme/*')], 'read', npm('@acme/'))).toBe(true)
  })

  it('matches names as a naive matcher does', () => {
    fc.assert(
      fc.property(pattern(), name(), (glob, text) => {
        expect(permits([[{ ecosystem: 'npm', action: 'read', pattern: glob }]], 'read', npm(text))).toBe(
          naive(glob, text),
        )
      }),
      { numRuns: 5000 },
    )
  })

  it('decides the worst pattern for the longest name without trying every way to match it', () => {
    const limits = [[{ ecosystem: 'npm', action: 'read' as const, pattern: `${'a*'.repeat(127)}b` }]]
    const decide = (): void => {
      for (let round = 0; round < 100; round++) expect(permits(limits, 'read', npm('a'.repeat(1024)))).toBe(false)
    }
    expect(cpuMs(decide)).toBeLessThan(5000)
  })
})

describe('covers', () => {
  it.each([
    ['npm:write:@acme/*', 'npm:write:@acme/x*'],
    ['npm:write:@acme/*', 'npm:read:@acme/x'],
    ['*:*:*', '*:*:*'],
    ['*:write:*', 'nix:read:*'],
    ['npm:read:*,npm:write:*,npm:delete:*,npm:admin:*', 'npm:*:x'],
    ['npm:write:a*,npm:delete:*,npm:admin:*', 'npm:*:ab'],
    ['npm:read:*a*', 'npm:read:xa*'],
  ])('%s includes %s', (held, wanted) => {
    expect(covers([grants(held)], grant(wanted))).toBe(true)
  })

  it.each([
    ['npm:write:@acme/*', 'npm:write:*'],
    ['npm:write:@acme/x*', 'npm:write:@acme/*'],
    ['npm:write:*', 'npm:delete:x'],
    ['npm:write:*', 'npm:*:x'],
    ['npm:delete:*', 'npm:read:x'],
    ['npm:*:*', '*:read:*'],
    ['*:read:acme-*', 'nix:read:*'],
    ['npm:read:a*a', 'npm:read:a'],
    ['npm:read:a*a', 'npm:read:*a'],
    ['npm:read:*a*a*', 'npm:read:*a*'],
  ])('%s does not include %s', (held, wanted) => {
    expect(covers([grants(held)], grant(wanted))).toBe(false)
  })

  it('needs every layer, and nothing is within none', () => {
    expect(covers([grants('*:*:*'), grants('npm:read:*')], grant('npm:read:x'))).toBe(true)
    expect(covers([grants('*:*:*'), grants('npm:read:*')], grant('npm:write:x'))).toBe(false)
    expect(covers([], grant('npm:read:x'))).toBe(false)
    expect(covers([[]], grant('npm:read:x'))).toBe(false)
  })

  it('is never true when something that is wanted would be refused', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyGrant(), { maxLength: 3 }), { maxLength: 2 }), anyGrant(), (limits, wanted) => {
        fc.pre(covers(limits, wanted))
        for (const resource of resourcesOf(wanted))
          for (const action of ACTIONS)
            if (permits([[wanted]], action, resource)) expect(permits(limits, action, resource)).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('is true of one pattern within another exactly when a name that uses a strange letter for each * is', () => {
    fc.assert(
      fc.property(pattern(), pattern(), (held, wanted) => {
        const one: Grant = { ecosystem: 'npm', action: 'read', pattern: held }
        expect(covers([[one]], { ...one, pattern: wanted })).toBe(naive(held, wanted.replaceAll('*', 'Z')))
      }),
      { numRuns: 5000 },
    )
  })
})

function grant(text: string): Grant {
  return parseGrant(text, ECOSYSTEMS)
}

function grants(text: string): readonly Grant[] {
  return parseGrants(text, ECOSYSTEMS)
}

function npm(name: Resource['name']): Resource {
  return { cache: 'main', ecosystem: 'npm', name }
}

/** Few letters, so that patterns and names often meet. */
function pattern(): fc.Arbitrary<string> {
  const letters = fc.array(fc.constantFrom('a', 'b', '*', '*'), { minLength: 1, maxLength: 9 })
  return letters.map((each) => each.join('').replaceAll(/\*+/g, '*'))
}

function name(): fc.Arbitrary<string> {
  return fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 10 }).map((each) => each.join(''))
}

function anyGrant(): fc.Arbitrary<Grant> {
  return fc
    .record({
      ecosystem: fc.constantFrom('*', 'npm', 'nix'),
      action: fc.constantFrom<Action | '*'>('*', ...ACTIONS),
      pattern: pattern(),
    })
    .map((each) => (each.ecosystem === 'nix' ? { ...each, pattern: '*' } : each))
}

/** Names that the pattern stands for: each `*` as nothing, a letter, and more. */
function resourcesOf({ pattern: glob }: Grant): Resource[] {
  const filled = ['', 'a', 'b', 'ab', 'ba', 'Z'].map((letters) => glob.replaceAll('*', letters))
  const names: Resource['name'][] = [...filled, '', SOME_NAME]
  return ECOSYSTEMS.flatMap((ecosystem) => names.map((each) => ({ cache: 'main', ecosystem, name: each })))
}

/** The definition, with all its backtracking. */
function naive(glob: string, text: string): boolean {
  if (glob === '') return text === ''
  if (glob.startsWith('*')) return naive(glob.slice(1), text) || (text !== '' && naive(glob, text.slice(1)))
  return glob.charAt(0) === text.charAt(0) && naive(glob.slice(1), text.slice(1))
}
