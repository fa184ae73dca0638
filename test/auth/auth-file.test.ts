import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseAuthFile, type AuthFileContent } from '../../auth/auth-file.ts'
import { printGrant, permits } from '../../auth/grants.ts'
import { ACTIONS, type Action } from '../../src/access.ts'
import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { lineKey } from '../helpers/auth-lines.ts'
import { cpuMs } from '../helpers/cpu-ms.ts'
import { describeWith } from '../helpers/have.ts'
import { KEY_KINDS, makeKey, type KeyKind } from '../helpers/ssh-keys.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const NOW = Date.parse('2026-06-01T12:00:00Z')
const [ANNE, BERT, CARO] = [lineKey(1), lineKey(2), lineKey(3)]

describe('parseAuthFile', () => {
  it('reads the file of the documentation: letter, type, key, comment', () => {
    const { keys, hasReadKeys, warnings } = parse(
      `w ${ANNE.text} admin@laptop\nr ${BERT.text} readonly@desktop\nw ${CARO.text}\n`,
    )
    expect([...keys.keys()]).toEqual([ANNE.fingerprint, BERT.fingerprint, CARO.fingerprint])
    expect([...keys.values()].map(({ permission, comment }) => [permission, comment])).toEqual([
      ['w', 'admin@laptop'],
      ['r', 'readonly@desktop'],
      ['w', ''],
    ])
    expect(hasReadKeys).toBe(true)
    expect(warnings).toEqual([])
  })

  it('gives w everything and r reading', () => {
    const { keys } = parse(`w ${ANNE.text}\nr ${BERT.text}`)
    expect(keys.get(ANNE.fingerprint)?.limits.map((layer) => layer.map(printGrant))).toEqual([['*:*:*']])
    expect(keys.get(BERT.fingerprint)?.limits.map((layer) => layer.map(printGrant))).toEqual([['*:read:*']])
  })

  it('skips empty lines and comments, whatever they hold, and takes CRLF, tabs, indentation and a byte order mark', () => {
    const text = `\ufeff# keys of é \u00a0\r\n\r\n   \t\r\n\t# r nonsense\r\n  w\t${ANNE.text.replace(' ', '\t\t')} \t a  b\tc \r\n#`
    const { keys } = parse(text)
    expect(keys.size).toBe(1)
    expect(keys.get(ANNE.fingerprint)?.comment).toBe('a b c')
  })

  it('lets reads be open only while all keys are w keys, and there is one', () => {
    expect(parse(`w ${ANNE.text}`).hasReadKeys).toBe(false)
    expect(parse(`w ${ANNE.text}\nr ${BERT.text}`).hasReadKeys).toBe(true)
    expect(parse(`w ${ANNE.text}\nr ${ANNE.text}`).hasReadKeys).toBe(true)
    expect(parse(`w ${ANNE.text}\nr ${BERT.text} expires=2020-01-01`).hasReadKeys).toBe(true)
    expect(parse('').hasReadKeys).toBe(true)
    expect(parse('# w\n').keys.size).toBe(0)
  })

  it('narrows by scope=, wherever it stands in the comment, and leaves it out of the name', () => {
    const { keys } = parse(`w ${ANNE.text} scope=npm:*:@acme/*,python:*:acme-* deploy @ci\n`)
    const key = keys.get(ANNE.fingerprint)
    expect(key?.comment).toBe('deploy @ci')
    expect(rights(keys, 'write', 'npm', '@acme/x')).toEqual([ANNE.fingerprint])
    expect(rights(keys, 'write', 'npm', 'x')).toEqual([])
    expect(rights(keys, 'read', 'python', 'acme-x')).toEqual([ANNE.fingerprint])
    expect(rights(keys, 'read', 'nix', 'x')).toEqual([])
  })

  it('never lets a scope give what the letter does not', () => {
    const { keys } = parse(`r ${ANNE.text} scope=*:*:*`)
    expect(rights(keys, 'read', 'npm', 'x')).toEqual([ANNE.fingerprint])
    for (const action of ['write', 'delete', 'admin'] as const) expect(rights(keys, action, 'npm', 'x')).toEqual([])
  })

  it.each([
    ['2026-12-31', '2027-01-01T00:00:00.000Z'],
    ['2028-02-29', '2028-03-01T00:00:00.000Z'],
    ['2026-12-31T12:00:00Z', '2026-12-31T12:00:00.000Z'],
    ['2026-12-31T12:00:00.5+02:00', '2026-12-31T10:00:00.500Z'],
  ])('takes expires=%s as good until %s', (text, end) => {
    const key = parse(`w ${ANNE.text} x expires=${text} y`).keys.get(ANNE.fingerprint)
    expect(new Date(key?.expiresAt ?? 0).toISOString()).toBe(end)
    expect(key?.comment).toBe('x y')
  })

  it('keeps a key that has expired, and warns: when it counts is judged when it is used', () => {
    const { keys, warnings } = parse(`# first\nw ${ANNE.text} expires=2026-05-31\nw ${BERT.text} expires=2026-06-01\n`)
    expect(keys.size).toBe(2)
    expect(warnings).toEqual(['line 2: this key has expired'])
  })

  it('takes words with = that are not its own as comment', () => {
    const { keys } = parse(`w ${ANNE.text} host=build-1 a=b=c added=2024-01-01 x== room=5:3:1 key=`)
    expect(keys.get(ANNE.fingerprint)?.comment).toBe('host=build-1 a=b=c added=2024-01-01 x== room=5:3:1 key=')
  })

  it('cuts a long comment to a name that fits the audit log', () => {
    const { keys } = parse(`w ${ANNE.text} ${'😀'.repeat(500)}`)
    const comment = keys.get(ANNE.fingerprint)?.comment ?? ''
    expect(comment).toHaveLength(LIMITS.authCommentLengthMax)
    expect(comment.isWellFormed()).toBe(true)
  })
})

describe('a key that stands twice in the auth file', () => {
  it.each([
    ['r', 'w'],
    ['w', 'r'],
  ])('gets the higher letter of %s and %s, and a warning', (first, second) => {
    const { keys, warnings } = parse(`${first} ${ANNE.text} one\n\n${second} ${ANNE.text} two\n`)
    expect(keys.size).toBe(1)
    expect(keys.get(ANNE.fingerprint)).toMatchObject({ permission: 'w', comment: first === 'w' ? 'one' : 'two' })
    expect(rights(keys, 'write', 'npm', 'x')).toEqual([ANNE.fingerprint])
    expect(warnings).toEqual([
      'line 3: the key of line 1 again: it counts as w, with every scope= and expires= of both',
    ])
  })

  it('is narrowed by each of its lines, in any order', () => {
    const lines = [
      `w ${ANNE.text} a`,
      `r ${ANNE.text} b scope=npm:*:* expires=2027-01-01`,
      `w ${ANNE.text} c scope=*:*:a* expires=2026-12-01`,
    ]
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
    ]) {
      const { keys } = parse(order.map((index) => lines[index]).join('\n'))
      expect(keys.get(ANNE.fingerprint)?.expiresAt).toBe(Date.parse('2026-12-02T00:00:00Z'))
      expect(rights(keys, 'write', 'npm', 'abc')).toEqual([ANNE.fingerprint])
      expect(rights(keys, 'read', 'npm', 'b')).toEqual([])
      expect(rights(keys, 'read', 'python', 'abc')).toEqual([])
    }
  })
})

describe('a bad line of the auth file', () => {
  it.each([
    ['r', 'it has no key'],
    ['w ssh-ed25519', 'it has no key'],
    [ANNE.text, 'it begins with neither r nor w: it is <r|w> <type> <base64> [comment]'],
    [`W ${ANNE.text}`, 'neither r nor w'],
    [`rw ${ANNE.text}`, 'neither r nor w'],
    [`w ${ANNE.text}AA`, 'ssh-ed25519 has a key that is'],
    [`w ${ANNE.text}=`, 'ssh-ed25519 has a key that is not base64'],
    [`w ssh-dss AAAA`, 'ssh-dss keys are refused'],
    [`w sk-ssh-ed25519@openssh.com AAAA`, 'security keys'],
    [`w ssh-ed25519-cert-v01@openssh.com AAAA`, 'is a certificate'],
    [`command="rm -rf /" ${ANNE.text}`, 'options of OpenSSH, like command, are refused'],
    [`w command="x",no-pty ${ANNE.text}`, 'options of OpenSSH, like command, are refused'],
    [`restrict ${ANNE.text}`, 'like restrict, are refused'],
    [`no-X11-forwarding,from="10.0.0.0/8" ${ANNE.text}`, 'like no-x11-forwarding, are refused'],
    [`w ${ANNE.text}\u00a0scope=npm:read:*`, 'a character that cannot be seen'],
    [`w ${ANNE.text} a\u200bscope=npm:read:*`, 'a character that cannot be seen'],
    [`w ${ANNE.text} a\u202ebc`, 'a character that cannot be seen'],
    [`w ${ANNE.text} a\u0000`, 'a character that cannot be seen'],
    [`w ${ANNE.text} a\rr`, 'a character that cannot be seen'],
    [`w ${ANNE.text} ${'a'.repeat(20_000)}`, 'it is longer than 16384 characters'],
    [`w ${ANNE.text} scope=`, 'is no grant'],
    [`w ${ANNE.text} scope= npm:read:*`, 'looks like scope= or expires='],
    [`w ${ANNE.text} scope=npm:read`, 'is no grant'],
    [`w ${ANNE.text} scope=npm:raed:*`, '(did you mean read?)'],
    [`w ${ANNE.text} scope="npm:read:*"`, 'is no ecosystem'],
    [`w ${ANNE.text} scope=npm:read:*,`, 'is no grant'],
    [`w ${ANNE.text} scope=npm:read:*,expires=2026-01-01`, 'is no grant'],
    [`w ${ANNE.text} scope=npm:read:* scope=npm:read:*`, 'scope= stands twice'],
    [`w ${ANNE.text} expires=`, 'expires= wants a day'],
    [`w ${ANNE.text} expires=never`, 'expires= wants a day'],
    [`w ${ANNE.text} expires=2027-02-29`, 'expires= wants a day'],
    [`w ${ANNE.text} expires=2027-01-01T00:00:00`, 'expires= wants a day'],
    [`w ${ANNE.text} expires=2027-01-01T24:00:00Z`, 'expires= wants a day'],
    [`w ${ANNE.text} expires=${'2'.repeat(10_000)}`, 'expires= wants a day'],
    [`w ${ANNE.text} expires=30d`, 'expires= wants a day'],
    [`w ${ANNE.text} expires=2027-01-01 expires=2028-01-01`, 'expires= stands twice'],
  ])('is refused: %#', (line, reason) => {
    expect(() => parse(`# first\n${line}`)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
    expect(() => parse(`# first\n${line}`)).toThrow(/^line 2: /)
    expect(() => parse(`# first\n${line}`)).toThrow(reason)
  })

  it.each([
    'scopes=npm:read:*',
    'Scope=npm:read:*',
    'SCOPE=npm:read:*',
    'socpe=npm:read:*',
    'scope:npm:read:*',
    'scope npm:read:*',
    'scope =npm:read:*',
    'sc ope=npm:read:*',
    '"scope=npm:read:*"',
    '(scope=npm:read:*)',
    '#scope=npm:read:*',
    'deploy@ci,scope=npm:read:*',
    'deploy@ci;scope=npm:read:*',
    'ｓcope=npm:read:*',
    'scope＝npm:read:*',
    'npm:read:*',
    'grants=npm:read:*',
    'expire=2030-01-01',
    'expiry=2030-01-01',
    'expires-at=2030-01-01',
    'Expires=2030-01-01',
    'expires:2030-01-01',
    'expires 2030-01-01',
    'expires =2030-01-01',
    'exp ires=2030-01-01',
    'epxires=2030-01-01',
    'x,expires=2030-01-01',
    '--expires=2030-01-01',
  ])('is one that says %s: what was meant to narrow must not be taken for a comment', (words) => {
    expect(() => parse(`w ${ANNE.text} deploy ${words}`)).toThrow('line 1: a word looks like scope= or expires=')
  })

  it('is named together with all the others, up to a number of them', () => {
    expect(() => parse(`x\nw ${ANNE.text}\ny\n`)).toThrow(/^line 1: [^;]*; line 3: [^;]*$/)
    const many = Array.from({ length: 1000 }, () => 'nonsense').join('\n')
    expect(() => parse(many)).toThrow(/line 20: [^;]*; and 980 more bad lines$/)
  })

  it('is not shown to those who read the error', () => {
    const secret = 'b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ'
    for (const line of [secret, `w ssh-ed25519 ${secret}`, `w ${ANNE.text} ${secret} scope=x`, `r x ${secret}`])
      expect(messageOf(`-----BEGIN OPENSSH PRIVATE KEY-----\n${line}\n`)).not.toContain(secret)
  })
})

describe('limits of the auth file', () => {
  it('refuse a longer one and more keys', () => {
    expect(() => parse('#'.repeat(LIMITS.authFileBytesMax + 1))).toThrow('it is longer than 4194304 bytes')
    const lines = Array.from({ length: LIMITS.authKeysMax }, () => `w ${ANNE.text}`)
    expect(parse(lines.join('\n')).keys.size).toBe(1)
    expect(() => parse([...lines, `w ${BERT.text}`].join('\n'))).toThrow('it has more than 5000 keys')
  })

  it.each([
    ['a key', 'w ssh-ed25519 A'],
    ['one word', 'w'],
    ['spaces', 'w ssh-ed25519 '.padEnd(1_000_000)],
    ['equals signs', `w ${ANNE.text} =`],
  ])('refuse a line of a megabyte (%s) by its length alone', (_what, start) => {
    const line = `${start}${(start.at(-1) ?? '').repeat(1_000_000)}`
    const refuse = (): void => expect(() => parse(line)).toThrow('line 1: it is longer than 16384 characters')
    // Minutes, were it looked at in a way that grows with the square of it.
    expect(cpuMs(refuse)).toBeLessThan(1000)
  })

  it('are such that the worst line within them is read in no time to speak of', () => {
    for (const filler of ['=', 'a', 'scope', 'a=', ' =', ':read', 'ﷺ', 'scope= ']) {
      expect(cpuMs(() => messageOf(`w ${ANNE.text} ${filler.repeat(16_000 / filler.length)}`))).toBeLessThan(1000)
    }
  })
})

describe('the auth file under fuzz', () => {
  it('throws nothing but its refusal', () => {
    const pieces = fc.constantFrom(
      'r',
      'w',
      ' ',
      '\t',
      '\n',
      '\r\n',
      '#',
      ANNE.text,
      'scope=',
      'expires=',
      'npm:*:*',
      '2030-01-01',
    )
    const text = fc.array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 20 })), { maxLength: 40 })
    fc.assert(
      fc.property(text, (parts) => {
        try {
          expect(parse(parts.join('')).keys).toBeInstanceOf(Map)
        } catch (error) {
          expect(error).toBeInstanceOf(DepotError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('gives a key no more than its line alone would, whatever other lines and comment words come along', () => {
    const word = fc.string({ unit: fc.constantFrom(...'scope=xpires:*- ,npmread2'.split('')), maxLength: 16 })
    const line = fc
      .tuple(
        fc.constantFrom('r', 'w'),
        fc.constantFrom(ANNE, BERT),
        fc.constantFrom('', 'scope=npm:*:a*', 'expires=2030-01-01'),
        word,
      )
      .map(([letter, key, narrowing, words]) => `${letter} ${key.text} ${words} ${narrowing}`)
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        const content = attempt(lines.join('\n'))
        fc.pre(content !== undefined)
        const alone = lines.flatMap((each) => rightsOf(attempt(each)))
        for (const right of rightsOf(content)) expect(alone).toContain(right)
      }),
      { numRuns: 2000 },
    )
  })

  it.each([' scope=npm:read:a*', ' expires=2020-01-01'])(
    'lets no slip of one character in the name of %j give the key a right',
    (narrowing) => {
      const start = `w ${ANNE.text} deploy@ci`
      const line = `${start}${narrowing} more`
      const allowed = rightsOf(attempt(line))
      const end = start.length + narrowing.indexOf('=')
      for (let at = start.length; at <= end; at++)
        for (const character of ['', ...SLIPS])
          for (const rest of [line.slice(at), line.slice(at + 1)]) {
            const slipped = line.slice(0, at) + character + rest
            const gained = rightsOf(attempt(slipped)).filter((right) => !allowed.includes(right))
            expect({ slipped, gained }).toEqual({ slipped, gained: [] })
          }
    },
  )
})

describeWith('openssh', 'keys made by ssh-keygen', () => {
  it('are read with their fingerprints, and weak RSA is warned of', async () => {
    await using directory = await tempDir('keys')
    const kinds = Object.keys(KEY_KINDS).filter((kind): kind is KeyKind => Object.hasOwn(KEY_KINDS, kind))
    const made = await Promise.all(kinds.map((kind) => makeKey(directory.path, { kind })))
    const { keys, warnings } = parse(
      made.map(({ type, base64, comment }) => `w ${type} ${base64} ${comment}`).join('\n'),
    )
    expect([...keys.keys()]).toEqual(made.map(({ fingerprint }) => fingerprint))
    expect([...keys.values()].map(({ comment }) => comment)).toEqual(made.map(({ comment }) => comment))
    expect(warnings).toEqual(['line 5: RSA of 2048 bits; 3072 or ed25519 is better'])
  })
})

const SLIPS =
  ' \n\t\r!"#\'(),-./0123:;<=>?@AZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\u00a0\u00e9\u200b\uff1d\u0441'.split('')

function parse(text: string): AuthFileContent {
  return parseAuthFile(text, { ecosystems: ['nix', 'npm', 'python'], now: NOW })
}

function attempt(text: string): AuthFileContent | undefined {
  try {
    return parse(text)
  } catch (error) {
    expect(error).toBeInstanceOf(DepotError)
    return undefined
  }
}

function messageOf(text: string): string {
  try {
    parse(text)
    return ''
  } catch (error) {
    return String(error)
  }
}

/** Fingerprints of the keys that permit this. */
function rights(keys: AuthFileContent['keys'], action: Action, ecosystem: string, name: string): string[] {
  const held = [...keys.values()].filter(({ limits }) => permits(limits, action, { cache: 'main', ecosystem, name }))
  return held.map(({ fingerprint }) => fingerprint)
}

/** Everything that the keys permit at two times, of a few names. */
function rightsOf(content: AuthFileContent | undefined): string[] {
  return [...(content?.keys.values() ?? [])].flatMap(({ fingerprint, limits, expiresAt = Infinity }) =>
    [NOW, Date.parse('2040-01-01')].flatMap((time) =>
      expiresAt <= time
        ? []
        : ['nix', 'npm', 'python'].flatMap((ecosystem) =>
            ['', 'a', 'abc', 'b'].flatMap((name) =>
              ACTIONS.filter((action) => permits(limits, action, { cache: 'main', ecosystem, name })).map((action) =>
                [time, fingerprint, ecosystem, action, name].join(' '),
              ),
            ),
          ),
    ),
  )
}
