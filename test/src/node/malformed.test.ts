import { describe, expect, it } from 'vitest'

import { exchange } from '../../helpers/raw-http.ts'
import { shelf } from '../../helpers/shelf.ts'
import { startWorld, type World } from '../../helpers/world.ts'

async function openShelf(): Promise<World> {
  const world = await startWorld({ protocols: [shelf] })
  await world.fetch('/shelf/text/a?value=hello', { method: 'PUT' })
  await (await world.fetch('/shelf/text/a')).text()
  return world
}

/** Statuses of all answers to what is sent at once on one connection; their bodies end without a line end. */
async function statuses(world: World, sent: string): Promise<readonly number[]> {
  const { text } = await exchange(world.url, sent)
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}

const get = (headers = ''): string => `GET /shelf/text/a HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
const put = (target: string, headers: string, body: string): string =>
  `PUT ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n${body}`

describe('what is no request', () => {
  it('is refused behind the answers to the requests that came before it', async () => {
    await using world = await openShelf()
    expect(await statuses(world, `${get()}${get()}${get()}NONSENSE\r\n\r\n`)).toEqual([200, 200, 200, 400])
    const written = put('/shelf/text/b?value=new', 'Content-Length: 3\r\n', 'abc')
    expect(await statuses(world, `${written}${get()}NONSENSE\r\n\r\n`)).toEqual([201, 200, 400])
    const long = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(200_000)}\r\n\r\n`
    expect(await statuses(world, get() + long)).toEqual([200, 431])
    expect(await (await world.fetch('/shelf/text/b')).text()).toBe('new')
  })

  it('leaves the answer to a client that asked for the end of its connection and sends on', async () => {
    await using world = await openShelf()
    const { text } = await exchange(world.url, get('Connection: close\r\n') + get())
    expect(text).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nhello$/)
  })

  it('is refused at once when it is the first, or the body of the last', async () => {
    await using world = await openShelf()
    expect(await statuses(world, 'NONSENSE\r\n\r\n')).toEqual([400])
    const body = put('/shelf/blob/b', 'Transfer-Encoding: chunked\r\n', 'no length\r\n')
    expect(await statuses(world, body)).toEqual([400])
    expect(world.bugs).toEqual([])
  })
})
