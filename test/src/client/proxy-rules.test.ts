import { expect, it } from 'vitest'

import { admitLocal, onwardTarget, refuseCredentials } from '../../../src/client/proxy-rules.ts'

const LOCAL = { httpVersion: '1.1', host: '127.0.0.1:43407', origin: undefined, fetchSite: undefined }

it.each(['127.0.0.1:43407', 'localhost:43407', 'LOCALHOST:43407', '[::1]:43407'])('lets a program in at %s', (host) => {
  expect(() => admitLocal({ ...LOCAL, host }, 43_407)).not.toThrow()
})

it.each([
  undefined,
  '',
  'evil.example:43407',
  '127.0.0.1',
  '127.0.0.1:80',
  '127.0.0.1:43407.evil.example',
  'a@localhost:43407',
])('refuses the Host %s, which another name was pointed at', (host) => {
  expect(() => admitLocal({ ...LOCAL, host }, 43_407)).toThrow(expect.objectContaining({ status: 421 }))
  expect(() => admitLocal({ ...LOCAL, host }, undefined)).not.toThrow()
})

it('takes a Host without a port where the port is the usual one', () => {
  expect(() => admitLocal({ ...LOCAL, host: 'localhost' }, 80)).not.toThrow()
})

it.each([
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: 'http://127.0.0.1:43407' },
  { fetchSite: 'cross-site' },
  { fetchSite: 'same-site' },
])('refuses a web page that shows itself by %o', (shown) => {
  expect(() => admitLocal({ ...LOCAL, ...shown }, 43_407)).toThrow(expect.objectContaining({ status: 403 }))
})

it('refuses HTTP/1.0, in which a cut body looks whole', () => {
  expect(() => admitLocal({ ...LOCAL, httpVersion: '1.0' }, 43_407)).toThrow(expect.objectContaining({ status: 505 }))
})

it.each([
  ['', '/nix/nix-cache-info', '/nix/nix-cache-info'],
  ['/depot', '/npm/@acme%2fbutton?write=true', '/depot/npm/@acme%2fbutton?write=true'],
  ['/depot', '/', '/depot/'],
  ['/depot', '/python/simple/?', '/depot/python/simple/?'],
  ['', '//evil.example/x', '//evil.example/x'],
  ['/depot', '/a/..b/c..', '/depot/a/..b/c..'],
])('sends, below %s, %s on as %s', (prefix, target, onward) => {
  expect(onwardTarget(prefix, target).pathAndQuery).toBe(onward)
  expect(onwardTarget(prefix, target).path).toBe(onward.replace(/\?.*$/, ''))
})

it.each([
  '/../admin',
  '/npm/..',
  '/%2e%2e/admin',
  '/.%2E/admin',
  '/npm/a%2f..%2f..%2f..%2fadmin',
  '/npm/..%2fadmin',
  '/npm/a%2f..',
  '/npm/..;/admin',
  '/%252e%252e/admin',
  '/a%252f..%252fb',
  '/a\\..\\..\\admin',
  '/a%5c..%5cb',
  '/a%255c..%255cb',
  '/%00',
  '/%c0%ae%c0%ae/',
  'http://evil.example/',
  '*',
  '127.0.0.1:80',
  '',
])('refuses the target %s, which could lead out of the depot', (target) => {
  expect(() => onwardTarget('/depot', target)).toThrow(expect.objectContaining({ status: 400 }))
})

it.each([
  ['POST', '/-/tokens'],
  ['POST', '/%2d/tokens'],
  ['POST', '/-%2ftokens?x'],
  ['DELETE', '/-/tokens/abc'],
  ['POST', '/-/logins/BBBB-BBBB'],
  ['POST', '/npm/-/npm/v1/tokens'],
  ['POST', '/-/npm/v1/tokens'],
  ['DELETE', '/c/team/npm/-/npm/v1/tokens/token/abc'],
])('lends nobody the right to make credentials by %s %s', (method, target) => {
  expect(() => refuseCredentials(method, target)).toThrow(expect.objectContaining({ status: 403 }))
})

it.each([
  ['GET', '/-/tokens'],
  ['HEAD', '/-/session'],
  ['PUT', '/npm/tokens/-/tokens-1.0.0.tgz'],
  ['PUT', '/npm/-/package/greeting/dist-tags/latest'],
  ['PUT', '/npm/tokens'],
])('lends the right to %s %s', (method, target) => {
  expect(() => refuseCredentials(method, target)).not.toThrow()
})
