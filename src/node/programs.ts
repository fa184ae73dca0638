import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { env as own } from 'node:process'

import type { ProgramRun, Programs } from '../client/programs.ts'
import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { messageOf, systemCode } from '../thrown.ts'

/** The programs that this process can call. */
export const PROGRAMS: Programs = {
  async run(name, run) {
    const child = start(name, run)
    const [stdout, stderr, status] = await Promise.all([
      collected(name, child, child.stdout),
      collected(name, child, child.stderr),
      ended(name, child),
    ])
    return { status, stdout, stderr }
  },

  async *stream(name, run) {
    const child = start(name, run)
    let said = ''
    child.stderr.on('data', (piece: Buffer) => (said = (said + piece.toString('utf8')).slice(-SAID_CHARS_MAX)))
    const end = ended(name, child)
    // Whoever takes the pieces hears of it in its turn.
    end.catch(() => {})
    try {
      for await (const piece of child.stdout) yield piece as Buffer
      const status = await end
      if (status !== 0) throw new DepotError('BAD_REQUEST', `${name} ended with ${status}: ${said.trim()}`)
    } finally {
      child.kill()
    }
  },
}

const SAID_CHARS_MAX = 2000

/** They may run what strangers wrote: an sdist's own build, for one. */
const NOT_TOLD = { DEPOT_AUTH_TOKEN: undefined, DEPOT_SSH_KEY: undefined }

function start(name: string, { args, env = {}, cwd, input = '' }: ProgramRun): ChildProcessWithoutNullStreams {
  const child = spawn(name, args, { env: { ...own, ...NOT_TOLD, ...env }, ...(cwd === undefined ? {} : { cwd }) })
  // One that does not read to the end says why by its status.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return child
}

function ended(name: string, child: ChildProcessWithoutNullStreams): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      const missing = systemCode(error) === 'ENOENT'
      const why = missing ? 'is not installed here, or not in PATH' : `cannot be started: ${messageOf(error)}`
      reject(new DepotError('NOT_FOUND', `${name} ${why}`, { cause: error }))
    })
    child.on('close', (status, signal) => {
      if (status !== null) resolve(status)
      else reject(new DepotError('BAD_REQUEST', `${name} was ended by ${signal}`))
    })
  })
}

async function collected(
  name: string,
  child: ChildProcessWithoutNullStreams,
  from: AsyncIterable<Buffer>,
): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of from) {
    bytes += piece.length
    if (bytes > LIMITS.programOutputBytesMax) {
      child.kill()
      throw new DepotError('TOO_LARGE', `${name} says more than ${LIMITS.programOutputBytesMax} bytes`)
    }
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
