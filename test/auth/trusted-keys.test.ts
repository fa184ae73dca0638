import { describe, expect, it } from 'vitest'

import { parseTrustedKeys } from '../../auth/trusted-keys.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM9WNZVrL2/Thx0vCzrhpZ5yHw+l37QgcyLXsmvo2E+z'
const NOW = Date.UTC(2026, 0, 31)

function names(text: string): string[] {
  return parseTrustedKeys(text, 'depot-bundle', NOW).map(({ name }) => name)
}

describe('a list of keys whose signatures are taken', () => {
  it('has public keys as ssh-keygen writes them, and allowed signers', () => {
    const text = `# ours\n\n${KEY}\n${KEY} me@host\nalice@example.org ${KEY} a comment\n"bob smith",carol ${KEY}\r\n`
    expect(names(text)).toEqual(['', 'me@host', 'alice@example.org', 'bob smith,carol'])
    expect(parseTrustedKeys(KEY, 'x', NOW)[0]?.key.fingerprint).toBe(
      'SHA256:rJPlizLeGPL+cim0cx/XUlErsbF9dECxX8rOj7OBtT0',
    )
  })

  it.each([
    ['namespaces="depot-bundle"', true],
    ['namespaces="git,depot-*"', true],
    ['namespaces="*"', true],
    ['namespaces="depot-?undle"', true],
    ['namespaces="git"', false],
    ['namespaces="depot"', false],
    ['namespaces="*,!depot-bundle"', false],
    ['namespaces=""', false],
    ['valid-after="20260130"', true],
    ['valid-after="20260202Z"', false],
    ['valid-before="202602020000Z"', true],
    ['valid-before="20260130235959Z"', false],
    ['namespaces="depot-bundle",valid-after="20200101",valid-before="20300101"', true],
    ['namespaces="depot-bundle",valid-before="20200101"', false],
  ])('heeds %s', (options, good) => {
    expect(names(`me@host ${options} ${KEY}`)).toEqual(good ? ['me@host'] : [])
  })

  it.each([
    ['hello world', 'not a public key'],
    ['ssh-ed25519', 'another type inside'],
    [`me@host cert-authority ${KEY}`, 'cert-authority is not understood'],
    [`me@host valid-after="soon" ${KEY}`, 'soon is not a time'],
    [`me@host no-touch-required,namespaces="x" ${KEY}`, 'no-touch-required is not understood'],
    [`a b c ${KEY}`, 'not a public key'],
    [`@revoked ${KEY}`, '@revoked is no name'],
    [`@revoked * ${KEY}`, '@revoked is no name'],
    [`cert-authority ${KEY}`, 'cert-authority is no name'],
    [`namespaces="git" ${KEY}`, 'is no name'],
    [`expiry-time="20200101",restrict ${KEY}`, 'is no name'],
    [`restrict ${KEY}`, 'restrict is no name'],
    [`no-pty,no-user-rc ${KEY}`, 'is no name'],
    ['ssh-dss AAAAB3NzaC1kc3M=', 'ssh-dss keys are refused'],
    ['sk-ssh-ed25519@openssh.com AAAA', 'security keys'],
  ])('is refused with the line %j', (line, why) => {
    expect(() => names(`${KEY}\n${line}`)).toThrow(new RegExp(`^line 2: .*(?:${why})`))
  })
})
