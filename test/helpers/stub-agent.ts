import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

import { tempDir } from './temp-dir.ts'

export interface StubAgent extends AsyncDisposable {
  /** Path of its socket. */
  readonly socket: string
  /** What it was asked, without the length. */
  readonly questions: Buffer[]
}

/** A socket that behaves as no SSH agent should: `answer` gets each whole question, and the connection to write to. */
export async function startStubAgent(answer: (question: Buffer, connection: Socket) => void): Promise<StubAgent> {
  const directory = await tempDir('stub-agent')
  const socket = directory.join('agent.sock')
  const questions: Buffer[] = []
  const open = new Set<Socket>()
  const server = createServer((connection) => {
    open.add(connection)
    connection.on('error', () => undefined)
    connection.on('close', () => open.delete(connection))
    let received = Buffer.alloc(0)
    connection.on('data', (bytes) => {
      received = Buffer.concat([received, bytes])
      while (received.length >= 4 && received.length >= 4 + received.readUInt32BE()) {
        const question = received.subarray(4, 4 + received.readUInt32BE())
        received = received.subarray(4 + question.length)
        questions.push(question)
        answer(question, connection)
      }
    })
  })
  server.listen(socket)
  await once(server, 'listening')
  return {
    socket,
    questions,
    async [Symbol.asyncDispose]() {
      for (const connection of open) connection.destroy()
      server.close()
      await directory[Symbol.asyncDispose]()
    },
  }
}
