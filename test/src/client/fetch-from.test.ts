import { expect, it } from 'vitest'

import { fetchFrom, refused } from '../../../src/client/fetch-from.ts'
import { startUpstream } from '../../helpers/upstream.ts'

const OPTIONS = { userAgent: 'a test', report: { moved() {} } }

it('lets go of the connection when the answer is of no use, however much of it is to come', async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  await using upstream = await startUpstream((_, outgoing) => {
    outgoing.once('close', resolve).writeHead(404).write('the beginning of a long story')
  })
  const url = new URL(upstream.url)
  const asked = fetchFrom(OPTIONS, url, {}, async (response) => {
    throw refused(response, url)
  })
  await expect(asked).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await closed
})

it('shows credentials that are not well escaped as they are typed', async () => {
  await using upstream = await startUpstream((_, outgoing) => void outgoing.end())
  const url = new URL(upstream.url.replace('//', '//100%:a%20b@'))
  await fetchFrom(OPTIONS, url, {}, (response) => response.text())
  const [, shown = ''] = upstream.requests.at(-1)?.headers.authorization?.split(' ') ?? []
  expect(Buffer.from(shown, 'base64').toString()).toBe('100%:a b')
})
