import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { parseListenAddr } from '../../../cmd/settings/addresses.ts'
import { serveConfig } from '../../../cmd/settings/parse-config.ts'
import { LIMITS } from '../../../src/limits.ts'

function config(values: Record<string, string[]>, env: Record<string, string> = {}) {
  return serveConfig(new Map(Object.entries(values)), env, '/home/me')
}

describe('serveConfig', () => {
  it('needs no setting at all', () => {
    expect(config({})).toEqual({
      mode: 'monolithic',
      host: '127.0.0.1',
      port: 8080,
      loopback: true,
      storePath: '/home/me/.local/share/depot',
      databaseUrl: 'sqlite:///home/me/.local/share/depot/depot.db',
      databasePool: LIMITS.databaseConnections,
      databaseTimeoutMs: LIMITS.databaseStatementTimeoutMs,
      storageType: 'fs',
      npmKeyFiles: [],
      privateKeyFiles: undefined,
      npmPrivateKeyFiles: undefined,
      trustedPublicKeys: [],
      requireTrustedSignature: false,
      requireReferences: true,
      publicUrl: undefined,
      allowedHosts: [],
      insecureOpen: false,
      authFile: undefined,
      readAuth: 'auto',
      audiences: [],
      trustedProxies: [],
      workers: 1,
      drainDelayMs: 0,
      graceMs: 120_000,
      verbose: false,
    })
    expect(config({}, { XDG_DATA_HOME: '/data' }).storePath).toBe('/data/depot')
    expect(config({}, { XDG_DATA_HOME: 'data' }).storePath).toBe('/home/me/.local/share/depot')
  })

  it.each([':8080', '0.0.0.0:8080', '[::]:8080', 'depot.example:80', '128.0.0.1:1'])(
    'does not open %s to strangers unasked',
    (addr) => {
      expect(() => config({ 'listen-addr': [addr] })).toThrow('--insecure-open')
      expect(config({ 'listen-addr': [addr], 'insecure-open': ['true'] }).loopback).toBe(false)
    },
  )

  it.each([
    ['public-url', 'depot.example'],
    ['public-url', 'ftp://depot.example'],
    ['public-url', 'https://user:pw@depot.example'],
    ['public-url', 'https://depot.example/?x=1'],
    ['storage-type', 'tape'],
    ['database-url', 'mysql://db/depot'],
    ['database-url', 'sqlite://relative.db'],
    ['shutdown-grace', 'soon'],
    ['workers', '0'],
    ['workers', '129'],
    ['workers', 'many'],
    ['insecure-open', 'perhaps'],
    ['require-references', 'perhaps'],
    ['require-trusted-signature', 'true'],
    ['trusted-public-key', 'cache.nixos.org-1'],
    ['trusted-public-key', 'two words:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='],
    ['audience', 'depot.example'],
    ['audience', 'https://depot.example/npm'],
    ['read-auth', 'sometimes'],
    ['trusted-proxy', 'nginx'],
    ['trusted-proxy', '10.0.0.0/33'],
    ['listen-addr', '8080'],
    ['listen-addr', ':99999'],
    ['listen-addr', '/run/depot.sock'],
  ])('refuses --%s %s and says so', (name, value) => {
    expect(() => config({ [name]: [value] })).toThrow(`--${name}`)
  })

  it('leaves loopback with an auth file only when it knows the name that logins are made for', () => {
    const beyond = { 'listen-addr': [':8080'], 'auth-file': ['auth.keys'] }
    expect(() => config(beyond)).toThrow('--public-url')
    expect(config({ ...beyond, 'public-url': ['https://depot.example/base'] }).audiences).toEqual([
      'https://depot.example',
    ])
    expect(config({ ...beyond, audience: ['https://depot.example/'] }).audiences).toEqual(['https://depot.example'])
  })

  it('refuses settings that contradict each other', () => {
    expect(() => config({ 'auth-file': ['a'], 'insecure-open': ['true'] })).toThrow('contradict')
    expect(() => config({ 'read-auth': ['always'] })).toThrow('--auth-file')
  })

  it('takes several keys to sign with and to trust, and asks for signatures of some key only', () => {
    const trusted = 'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='
    expect(
      config({
        'private-key': ['/a', 'b'],
        'trusted-public-key': [trusted],
        'require-trusted-signature': ['true'],
        'require-references': ['false'],
      }),
    ).toMatchObject({
      privateKeyFiles: ['/a', path.resolve('b')],
      trustedPublicKeys: [trusted],
      requireTrustedSignature: true,
      requireReferences: false,
    })
  })

  it('drops the trailing slash of the public URL and keeps its path', () => {
    expect(config({ 'public-url': ['https://depot.example/base/'] }).publicUrl).toBe('https://depot.example/base')
  })
})

describe('parseListenAddr', () => {
  it('reads names, both address families and every address', () => {
    expect(parseListenAddr('localhost:1')).toEqual({ host: 'localhost', port: 1 })
    expect(parseListenAddr('[::1]:1')).toEqual({ host: '::1', port: 1 })
    expect(parseListenAddr(':0')).toEqual({ host: undefined, port: 0 })
  })
})
