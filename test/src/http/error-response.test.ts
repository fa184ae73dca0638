import { expect, it } from 'vitest'

import { DepotError } from '../../../src/errors.ts'
import { errorAnswer } from '../../../src/http/error-response.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { Protocol } from '../../../src/protocol.ts'

const plain: Protocol = { name: 'plain', mount: '/plain', routes: () => [] }
const loud: Protocol = { ...plain, messageInStatusLine: true }

it('keeps the message out of the status line, unless the clients of the ecosystem read nothing else', () => {
  const taken = new DepotError('CONFLICT', 'File already exists (demo-1.0.tar.gz)')
  expect(errorAnswer(taken, plain, '/').statusText).toBe('')
  expect(errorAnswer(taken, loud, '/')).toMatchObject({ status: 409, statusText: taken.message })
})

it('lets nothing into a status line that could end it, and bounds its length', () => {
  const evil = new DepotError('BAD_REQUEST', 'é\r\nSet-Cookie: a=b\0\u2028')
  expect(errorAnswer(evil, loud, '/').statusText).toBe('???Set-Cookie: a=b??')
  const long = errorAnswer(new DepotError('BAD_REQUEST', 'x'.repeat(100_000)), loud, '/')
  expect(long.statusText).toHaveLength(LIMITS.reasonPhraseLengthMax)
})

it('tells nothing of a bug, in no part of the answer', () => {
  const response = errorAnswer(new TypeError('a secret'), loud, '/')
  expect(response).toMatchObject({ status: 500, statusText: '', body: 'internal error\n' })
})
