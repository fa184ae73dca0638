import { expect, it } from 'vitest'

import { askSession, listTokens } from '../../../cmd/client/depot-api.ts'
import { NO_CREDENTIALS } from '../../../src/client/token-source.ts'
import { startUpstream } from '../../helpers/upstream.ts'

it.each([1e300, 8.64e15 + 1, -1])(
  'an answer with a time that is no date, %d, is no answer of a depot',
  async (time) => {
    const token = { id: 'A', name: 'a', grants: [], key: 'k', createdAt: 1, expiresAt: time }
    const session = { principal: { id: 'a', name: 'a', key: 'k' }, grants: [], open: false, expiresAt: time }
    await using server = await startUpstream((_, response) =>
      response.end(JSON.stringify({ ...session, tokens: [token] })),
    )
    const connection = { url: new URL(server.url), credentials: NO_CREDENTIALS }
    await expect(askSession(connection)).rejects.toThrow('does not answer as a depot does')
    await expect(listTokens(connection)).rejects.toThrow('does not answer as a depot does')
  },
)
