import { randomBytes } from 'node:crypto'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { runDepot } from '../helpers/run-depot.ts'
import { connections, publish, startWorkerServer, type WorkerServer } from '../helpers/worker-server.ts'

const TIME = { timeout: 240_000 }

/** What several workers over one database agree on. `database`: the arguments that name one. */
export function describeWorkerAgreement(driver: string, database: () => Promise<readonly string[]>): void {
  describe(`several workers over ${driver}`, () => {
    let server: WorkerServer
    let args: readonly string[]
    beforeAll(async () => {
      args = await database()
      server = await startWorkerServer({ args })
    })
    afterAll(() => server[Symbol.asyncDispose]())

    it('show what one of them acknowledged to whoever asks another next', TIME, async () => {
      const [one, two] = [await server.connectTo(1), await server.connectTo(2)]
      for (let round = 0; round < 60; round++) {
        const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one]
        const name = `seen-${round}`
        // It is asked for before, so that its absence could be remembered.
        const noise = Array.from({ length: 5 }, () =>
          fetch(`${server.url}/npm/${name}`).then((answer) => answer.text()),
        )
        expect((await reader.ask('GET', `/npm/${name}`)).status).toBe(404)
        expect((await publish(writer, name, '1.0.0')).status).toBe(201)
        expect((await reader.ask('GET', `/npm/${name}`)).status).toBe(200)
        expect((await publish(reader, name, '1.0.1')).status).toBe(201)
        const { text } = await writer.ask('GET', `/npm/${name}`)
        expect(Object.keys((JSON.parse(text) as { versions: object }).versions)).toEqual(['1.0.0', '1.0.1'])
        await Promise.all(noise)
      }
    })

    it('let exactly one of many publishers of a version win, whichever worker has them', TIME, async () => {
      const talks = [...(await connections(server, 1, 4)), ...(await connections(server, 2, 4))]
      for (let round = 0; round < 8; round++) {
        const answers = await Promise.all(talks.map((talk) => publish(talk, 'raced', `1.0.${round}`, randomBytes(200))))
        const statuses = answers.map(({ status }) => status).toSorted((left, right) => left - right)
        expect(statuses).toEqual([201, 409, 409, 409, 409, 409, 409, 409])
      }
      const { text } = await fetch(`${server.url}/npm/raced`).then(async (answer) => ({ text: await answer.text() }))
      expect(Object.keys((JSON.parse(text) as { versions: object }).versions)).toHaveLength(8)
    })

    it('lose no version of a package that all of them publish at once', TIME, async () => {
      const talks = [...(await connections(server, 1, 4)), ...(await connections(server, 2, 4))]
      const all = Array.from({ length: 64 }, (_, index) => `1.0.${index}`)
      const statuses = await Promise.all(
        talks.map(async (talk, index) => {
          const own: number[] = []
          for (const version of all.filter((_, at) => at % 8 === index))
            own.push((await publish(talk, 'many', version)).status)
          return own
        }),
      )
      expect(new Set(statuses.flat())).toEqual(new Set([201]))
      const packument = (await (await fetch(`${server.url}/npm/many`)).json()) as { versions: object }
      expect(Object.keys(packument.versions)).toHaveLength(64)
      expect(await runDepot(['audit', 'verify', '--store-path', server.dataDir, ...args])).toMatchObject({ status: 0 })
    })
  })
}
