import { describe, expect, it } from 'vitest'

import { npmEnvironment, npmSettings, parseNpmrc } from '../../../protocols/npm/npm-settings.ts'

function settings(npmrc: string, env: Record<string, string> = {}) {
  return npmSettings([npmEnvironment(env), parseNpmrc(npmrc, env)])
}

describe("npm's settings", () => {
  it('name npmjs where nobody says otherwise', () => {
    expect(settings('').registryOf('ms').href).toBe('https://registry.npmjs.org/')
  })

  it('name a registry, and others for scopes', () => {
    const text =
      'registry = https://one.example/npm ; ours\n; registry=https://no.example\n@acme:registry="https://two.example"\n'
    const { registryOf } = settings(text)
    expect(registryOf('ms').href).toBe('https://one.example/npm/')
    expect(registryOf('@acme/button').href).toBe('https://two.example/')
    expect(registryOf('@other/button').href).toBe('https://one.example/npm/')
  })

  it('come first from the environment, however it is spelt', () => {
    expect(
      settings('registry=https://one.example/', { NPM_CONFIG_REGISTRY: 'https://env.example/' }).registryOf('ms').href,
    ).toBe('https://env.example/')
    expect(settings('', { 'npm_config_@acme:registry': 'https://env.example/' }).registryOf('@acme/x').href).toBe(
      'https://env.example/',
    )
    expect(settings('registry=https://one.example/', { npm_config_registry: '' }).registryOf('ms').href).toBe(
      'https://one.example/',
    )
  })

  it('may name variables of the environment; one that is not set stays as it is written', () => {
    const text =
      '//one.example/:_authToken=${TOKEN}\n//two.example/:_authToken=${NONE}\n//three.example/:_authToken=${NONE?}x\n'
    const { authorization } = settings(text, { TOKEN: 's3cret' })
    expect(authorization(new URL('https://one.example/ms'))).toBe('Bearer s3cret')
    expect(authorization(new URL('https://two.example/ms'))).toBe('Bearer ${NONE}')
    expect(authorization(new URL('https://three.example/ms'))).toBe('Bearer x')
  })

  it('have credentials for a host and everything below a path of it', () => {
    const password = Buffer.from('pa:ss').toString('base64')
    const { authorization } = settings(
      `//h.example:8080/a/:_authToken=one\n//h.example:8080/:_auth=dXNlcjpwYXNz\n//p.example/:username=bob\n//p.example/:_password=${password}\n`,
    )
    expect(authorization(new URL('http://h.example:8080/a/b/-/c.tgz'))).toBe('Bearer one')
    expect(authorization(new URL('http://h.example:8080/ab/c'))).toBe('Basic dXNlcjpwYXNz')
    expect(authorization(new URL('http://p.example/x'))).toBe(`Basic ${Buffer.from('bob:pa:ss').toString('base64')}`)
    for (const other of ['http://h.example/a/b', 'https://evil.example/h.example:8080/a/', 'http://x.h.example:8080/a'])
      expect(authorization(new URL(other))).toBe(undefined)
  })

  it('that name no http address are refused when they are needed', () => {
    const { registryOf } = settings('@acme:registry=file:///etc\n')
    expect(registryOf('ms').host).toBe('registry.npmjs.org')
    expect(() => registryOf('@acme/x')).toThrow(/no http or https address/)
  })
})
