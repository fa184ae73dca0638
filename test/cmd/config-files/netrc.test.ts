import { describe, expect, it } from 'vitest'

import { netrcLogin, removeNetrc, setNetrc } from '../../../cmd/config-files/netrc.ts'

const LINE = 'machine depot.example login depot password dpt_new\n'

describe('setNetrc', () => {
  it.each([
    ['an empty file', '', LINE],
    ['other machines', 'machine a login x password y\n', `machine a login x password y\n${LINE}`],
    ['a last line that is not ended', 'machine a login x password y', `machine a login x password y\n${LINE}`],
    ['an entry for everyone', 'default login anonymous password me\n', `${LINE}default login anonymous password me\n`],
    ['a macro', 'macdef init\nmachine depot.example\n\n', `${LINE}macdef init\nmachine depot.example\n\n`],
    ['a comment', '# machine depot.example password x\n', `# machine depot.example password x\n${LINE}`],
    ['a longer name', 'machine depot.example.org\n', `machine depot.example.org\n${LINE}`],
  ])('adds one line beside %s', (_title, before, after) => {
    expect(setNetrc(before, 'depot.example', 'dpt_new')).toBe(after)
  })

  it('replaces only the password of an entry that it made, however that is written', () => {
    expect(
      setNetrc('machine depot.example\r\n\tlogin me\r\n\tpassword dpt_old # ok\r\n', 'depot.example', 'dpt_n'),
    ).toBe('machine depot.example\r\n\tlogin me\r\n\tpassword dpt_n # ok\r\n')
    expect(setNetrc('machine "depot.example" password "dpt_old"', 'depot.example', 'dpt_n')).toBe(
      'machine "depot.example" password dpt_n',
    )
  })

  it('leaves an entry alone that somebody else made', () => {
    expect(setNetrc('machine depot.example login me password hunter2\n', 'depot.example', 'dpt_n')).toBeUndefined()
    expect(setNetrc('machine depot.example login me\n', 'depot.example', 'dpt_n')).toBeUndefined()
  })
})

describe('removeNetrc', () => {
  it.each([
    ['its line', `machine a password b\n${LINE}default\n`, 'machine a password b\ndefault\n'],
    ['its lines', 'machine depot.example\n password dpt_a\nmachine a\n', 'machine a\n'],
    ['its words between others', 'machine a machine depot.example password dpt_a machine b', 'machine a  machine b'],
    ['nothing of another', 'machine depot.example password hunter2\n', 'machine depot.example password hunter2\n'],
    ['nothing where none is', 'machine a password dpt_x\n', 'machine a password dpt_x\n'],
  ])('takes out %s', (_title, before, after) => {
    expect(removeNetrc(before, 'depot.example', (password) => password.startsWith('dpt_'))).toBe(after)
  })
})

describe('netrcLogin', () => {
  const text =
    'machine a login x password y\nmachine b\n  password z\nmachine c login nobody\ndefault login d password e\n'
  it.each([
    ['a', { login: 'x', password: 'y' }],
    ['b', { login: '', password: 'z' }],
    ['c', undefined],
    ['other', { login: 'd', password: 'e' }],
  ])('finds what %s is shown', (host, login) => {
    expect(netrcLogin(text, host)).toEqual(login)
  })

  it('finds nothing in a macro', () => {
    expect(netrcLogin('macdef m\nmachine a login x password y\n\n', 'a')).toBeUndefined()
  })
})
