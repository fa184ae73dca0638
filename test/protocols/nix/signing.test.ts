import { describe, expect, it } from 'vitest'

import { fingerprint, generateSecretKey, parsePublicKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { fingerprintOf } from '../../../protocols/nix/narinfo-rules.ts'
import { parseNarinfo } from '../../../protocols/nix/narinfo.ts'
import { hexOfNix32, nix32OfHex } from '../../../protocols/nix/nix32.ts'

/** Throw-away key; signatures made by Nix 2.8 with it. */
const SECRET = 'test-1:FcBmaJVOtqPH6obwOrk/yw20PvKIR1WFSj3KMcfdw3+kh+C/lwXpxi9AzLPDMPLtm6daykdNk0eP/Fmn/tzsig=='
const PUBLIC = 'test-1:pIfgv5cF6cYvQMyzwzDy7ZunWspHTZNHj/xZp/7c7Io='
const A = {
  baseName: 's5b00ijzqx4db8vf1bcbzgmv3wb3ildz-dep-a',
  narHash: '1b9761qlxl27rg5v4pl6fzlqmlwdp7jqb9n459dwr6baph4riiaq',
  narSizeBytes: 120,
  references: [],
}
const A_SIG = 'test-1:tADrEZouneGRRgYGmwmcIlf7V+qJe/p1PZ34xmwzWNU47FX91XgoD6Vw6GY/poWuJSPwPkfntWHLYAix8TyGDg=='
const B = {
  baseName: '54vm60lrm3kmi5v6vf7li41kb9k37c88-top-b',
  narHash: '1mb8qa5z0fxn4ba9z9rs5jgimd1py3vccj6n5n7zy2gfrx02v49r',
  narSizeBytes: 168,
  references: [A.baseName],
}
const B_SIG = 'test-1:p1hCpIYGl2WTezFtNTd2COvPTi8IDSPBZt9VBj6na22r6qaBf7z8ODpuA1lpknM84FKRVteNxckAJVRLCtLeDQ=='
const NIXOS = 'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='

describe('signing', () => {
  it.each([
    ['without references', A, A_SIG],
    ['with one', B, B_SIG],
  ])('gives a path %s the signature that Nix gives it', (_, path, signature) => {
    expect(parseSecretKey(SECRET).sign(fingerprint(path))).toBe(signature)
    expect(parsePublicKey(PUBLIC).verify(fingerprint(path), signature)).toBe(true)
  })

  it('knows the public key of a secret one', () => {
    expect(parseSecretKey(`${SECRET}\n`)).toMatchObject({ name: 'test-1', publicKey: PUBLIC })
  })

  it.each([
    {
      baseName: 'xcp9cav49dmsjbwdjlmkjxj10gkpx553-hello-2.10',
      narHash: nix32OfHex('91e129ac1959d062ad093d2b1f8b65afae0f712056fe3eac78ec530ff6a1bb9a'),
      narSizeBytes: 206104,
      references: ['xcp9cav49dmsjbwdjlmkjxj10gkpx553-hello-2.10', '563528481rvhc5kxwipjmg6rqrl95mdx-glibc-2.33-56'],
      signature: 'lo9EfNIL4eGRuNh7DTbAAffWPpI2SlYC/8uP7JnhgmfRIUNGhSbFe8qEaKN0mFS02TuhPpXFPNtRkFcCp0hGAQ==',
    },
    {
      baseName: 'n5glp21rsz314qssw9fbvfswgy3kc68f-hello-2.12.1',
      narHash: '07kc6swib31psygpmwi8952lvywlpqn474059yxl7grwsvr6k0fj',
      narSizeBytes: 226552,
      references: ['qdcbgcj27x2kpxj2sf9yfvva7qsgg64g-glibc-2.38-77', 'n5glp21rsz314qssw9fbvfswgy3kc68f-hello-2.12.1'],
      signature: 'MadTCU1OSFCGUw4aqCKpLCZJpqBc7AbLvO7wgdlls0eq1DwaSnF/82SZE+wJGEiwlHbnZR+14daSaec0W3XoBQ==',
    },
  ])('verifies what cache.nixos.org signed: $baseName', ({ signature, ...path }) => {
    const key = parsePublicKey(NIXOS)
    const signed = `cache.nixos.org-1:${signature}`
    expect(key.verify(fingerprint(path), signed)).toBe(true)
    expect(key.verify(fingerprint({ ...path, narSizeBytes: path.narSizeBytes + 1 }), signed)).toBe(false)
    expect(key.verify(fingerprint({ ...path, references: [] }), signed)).toBe(false)
    for (const narHash of [path.narHash, hexOfNix32(path.narHash)]) {
      const narinfo = parseNarinfo(
        `StorePath: /nix/store/${path.baseName}\nURL: nar/x\nNarHash: sha256:${narHash}\nNarSize: ${path.narSizeBytes}\n` +
          `References: ${path.references.join(' ')}\nSig: ${signed}\n`,
      )
      const entry = {
        ...narinfo,
        baseName: narinfo.storePath.baseName,
        references: [...narinfo.references],
        signatures: [],
      }
      expect(narinfo.signatures.map((signature) => key.verify(fingerprintOf(entry), signature))).toEqual([true])
    }
  })

  it('lists full reference paths in order, and nothing when there are none', () => {
    expect(fingerprint({ ...A, references: ['b-2', 'a-1'] })).toMatch(/;120;\/nix\/store\/a-1,\/nix\/store\/b-2$/)
    expect(fingerprint(A)).toMatch(/;120;$/)
  })

  it('makes keys that it can read', () => {
    const key = parseSecretKey(generateSecretKey('depot-12ab34cd-1'))
    expect(key.name).toBe('depot-12ab34cd-1')
    expect(parsePublicKey(key.publicKey).verify('text', key.sign('text'))).toBe(true)
    expect(parsePublicKey(key.publicKey).verify('other', key.sign('text'))).toBe(false)
  })

  it.each([
    ['another name', A_SIG.replace('test-1', 'test-2')],
    ['a cut signature', A_SIG.slice(0, -4)],
    ['no base64', 'test-1:***'],
    ['no name', A_SIG.slice('test-1:'.length)],
    ['nothing', ''],
  ])('does not verify %s', (_, signature) => {
    expect(parsePublicKey(PUBLIC).verify(fingerprint(A), signature)).toBe(false)
  })

  it.each([
    ['the public one', PUBLIC],
    ['halves that do not belong together', `${SECRET.slice(0, -6)}AAAA==`],
    ['no name', SECRET.slice('test-1'.length)],
    ['something after it', `${SECRET} x`],
    ['base64 that is spelled oddly', SECRET.replace('ig==', 'ih==')],
    ['nothing', ''],
  ])('refuses %s as a secret key, without repeating it', (_, text) => {
    const secret = text.slice(20, 40)
    expect(() => parseSecretKey(text)).toThrow(Error)
    try {
      parseSecretKey(text)
    } catch (error) {
      if (secret !== '') expect(String(error)).not.toContain(secret)
    }
  })
})
