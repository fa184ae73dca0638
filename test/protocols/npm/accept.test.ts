import { describe, expect, it } from 'vitest'

import { chooseForm } from '../../../protocols/npm/accept.ts'

const CORGI = 'application/vnd.npm.install-v1+json'

describe('the form of a packument', () => {
  it.each([
    undefined,
    null,
    '',
    '*/*',
    'application/json',
    'text/html',
    `${CORGI};q=0`,
    `${CORGI};q=0.5, application/json`,
  ])('is full for %j', (accept) => {
    expect(chooseForm(accept)).toBe('full')
  })

  it.each([
    CORGI,
    `${CORGI}; q=1.0, application/json; q=0.8, */*`,
    `${CORGI}, application/json`,
    `application/json;q=0.1,${CORGI};q=0.2`,
  ])('is abbreviated for %j', (accept) => {
    expect(chooseForm(accept)).toBe('abbreviated')
  })

  it('is full when the weight is not a weight', () => {
    expect(chooseForm(`${CORGI};q=high, application/json`)).toBe('full')
  })
})
