import { describe, expect, it } from 'vitest'

import { redirectConfig, redirectRules } from '../../../cmd/settings/redirects.ts'

function read(values: Record<string, string[]>, hasBucket = true) {
  return redirectConfig(new Map(Object.entries(values)), hasBucket)
}

const OFFICE = { 's3-redirect': ['auto'], 's3-redirect-network': ['10.0.0.0/8', '2001:db8::/32'] }

describe('redirectConfig', () => {
  it('redirects nobody unless told to', () => {
    expect(read({})).toBeUndefined()
    expect(read({}, false)).toBeUndefined()
    expect(read({ 's3-redirect': ['never'] }, false)).toBeUndefined()
  })

  it('redirects everybody, or those of some networks for what is large', () => {
    expect(read({ 's3-redirect': ['always'] })).toEqual({ sizeBytesMin: 0, networks: undefined })
    expect(read(OFFICE)).toEqual({ sizeBytesMin: 2 ** 20, networks: OFFICE['s3-redirect-network'] })
  })

  it.each([
    ['0', 0],
    ['500', 500],
    ['64K', 65_536],
    ['8M', 8_388_608],
    ['8MiB', 8_388_608],
    ['2G', 2_147_483_648],
  ])('takes a size of %s', (text, bytes) => {
    expect(read({ ...OFFICE, 's3-redirect-min-size': [text] })?.sizeBytesMin).toBe(bytes)
  })

  it.each(['', '8 M', '-1', '1.5M', '8m', 'M', '1T', '9999999999'])('refuses a size of %j', (text) => {
    expect(() => read({ ...OFFICE, 's3-redirect-min-size': [text] })).toThrow('--s3-redirect-min-size takes')
  })

  it.each([
    [{ 's3-redirect': ['sometimes'] }, "--s3-redirect takes auto, always or never, not 'sometimes'"],
    [{ 's3-redirect': ['auto'] }, '--s3-redirect auto needs --s3-redirect-network: whose clients reach the bucket?'],
    [{ ...OFFICE, 's3-redirect': ['always'] }, '--s3-redirect-network goes with --s3-redirect auto, not always'],
    [{ 's3-redirect-network': ['10.0.0.1'] }, '--s3-redirect-network goes with --s3-redirect auto, not never'],
    [{ 's3-redirect-min-size': ['1M'] }, '--s3-redirect-min-size goes with --s3-redirect auto, not never'],
    [{ ...OFFICE, 's3-redirect-network': ['10.0.0.0/33'] }, "--s3-redirect-network: '10.0.0.0/33' is neither"],
  ])('refuses %j', (values, message) => {
    expect(() => read(values)).toThrow(message)
  })

  it('refuses a redirect to where there is no bucket', () => {
    expect(() => read({ 's3-redirect': ['always'] }, false)).toThrow('--s3-redirect goes with --storage-type s3')
  })
})

describe('redirectRules', () => {
  it('knows who is within the networks, also by an IPv4 address in IPv6 clothes', () => {
    const { reaches } = redirectRules({ sizeBytesMin: 0, networks: OFFICE['s3-redirect-network'] })
    const within = ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1', '11.1.2.3', '2001:db9::1', '', 'localhost']
    expect(within.map(reaches)).toEqual([true, true, true, false, false, false, false])
    expect(redirectRules({ sizeBytesMin: 0, networks: undefined }).reaches('')).toBe(true)
  })
})
