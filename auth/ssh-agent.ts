import { connect } from 'node:net'

import { DepotError } from '../src/errors.ts'
import { LIMITS } from '../src/limits.ts'
import { printPublicKey, type PublicKey } from './public-key.ts'
import { joseSignature } from './signature.ts'
import type { Signer } from './signer.ts'
import { printable, readStrings, readUint32, writeString, writeUint32 } from './ssh-wire.ts'

/** A key that an agent lists, of any type. */
export interface AgentKey {
  /** The public key as SSH writes it. */
  readonly blob: Uint8Array
  readonly comment: string
}

export interface AgentOptions {
  /** Path of its socket, or of its pipe on Windows. */
  readonly socket: string
  /** For the list of keys: no person is asked. */
  readonly listTimeoutMs?: number
  /** For a signature: a person may have to confirm it, or to touch something. */
  readonly signTimeoutMs?: number
}

/**
 * The keys that an SSH agent holds (draft-ietf-sshm-ssh-agent §3.5).
 *
 * @throws DepotError `UNAUTHENTICATED` when there is no agent, or it answers late, too much or nonsense.
 */
export async function listAgentKeys({
  socket,
  listTimeoutMs = LIMITS.sshAgentListMs,
}: AgentOptions): Promise<AgentKey[]> {
  const answer = await ask(socket, Buffer.of(REQUEST_IDENTITIES), listTimeoutMs)
  return read(socket, () => {
    const body = bodyOf(answer, IDENTITIES_ANSWER)
    const strings = readStrings(body.subarray(4), LIMITS.sshAgentKeysMax * 2)
    if (strings.length !== readUint32(body) * 2) throw nonsense()
    return strings.flatMap((blob, at) =>
      at % 2 === 0 ? [{ blob, comment: printable(strings[at + 1] ?? NOTHING) }] : [],
    )
  })
}

/** A signer whose key stays in its agent; each signature is one connection. */
export function agentSigner(agent: AgentOptions, key: PublicKey, comment: string): Signer {
  const { socket, signTimeoutMs = LIMITS.sshAgentSignMs } = agent
  return {
    type: key.type,
    fingerprint: key.fingerprint,
    publicKey: printPublicKey(key),
    comment,
    // Ed25519 has two names; the first is the one that older verifiers know too.
    algorithms: key.type === 'ssh-rsa' ? key.algorithms : key.algorithms.slice(0, 1),
    async sign(algorithm, input) {
      const fields = [key.blob, input].map(writeString)
      const flags = writeUint32(SIGN_FLAGS[algorithm] ?? 0)
      const answer = await ask(socket, Buffer.concat([Buffer.of(SIGN_REQUEST), ...fields, flags]), signTimeoutMs)
      if (answer[0] === FAILURE) throw failure(socket, `did not sign with ${key.type} key ${key.fingerprint}`)
      const [signature] = read(socket, () => readStrings(bodyOf(answer, SIGN_RESPONSE), 1))
      return joseSignature(key, algorithm, signature ?? NOTHING)
    },
  }
}

const FAILURE = 5
const REQUEST_IDENTITIES = 11
const IDENTITIES_ANSWER = 12
const SIGN_REQUEST = 13
const SIGN_RESPONSE = 14
const LENGTH_BYTES = 4
const NOTHING = new Uint8Array()
/** One at a time: OpenSSH answers both together with the weaker one. */
const SIGN_FLAGS: Readonly<Record<string, number>> = { RS512: 4, RS256: 2 }

/** One question and its answer, without its length. */
async function ask(socket: string, question: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  let received: Uint8Array = NOTHING
  const connection = connect({ path: socket })
  const timer = setTimeout(() => reject(failure(socket, `gave no answer in ${timeoutMs / 1000} s`)), timeoutMs)
  connection.on('error', (error) => reject(failure(socket, 'cannot be reached', error)))
  connection.on('close', () => reject(failure(socket, 'hung up')))
  connection.on('data', (bytes) => {
    received = Buffer.concat([received, bytes])
    const sizeBytes = received.length < LENGTH_BYTES ? undefined : readUint32(received)
    if (sizeBytes === undefined) return
    if (sizeBytes > LIMITS.sshAgentAnswerBytesMax) reject(failure(socket, `wants to send ${sizeBytes} bytes`))
    else if (received.length >= LENGTH_BYTES + sizeBytes)
      resolve(received.subarray(LENGTH_BYTES, LENGTH_BYTES + sizeBytes))
  })
  connection.write(writeString(question))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    connection.destroy()
  }
}

function bodyOf(answer: Uint8Array, kind: number): Uint8Array {
  if (answer[0] !== kind) throw nonsense()
  return answer.subarray(1)
}

/** What `parse` reads, unless the agent talks nonsense. */
function read<T>(socket: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    throw failure(socket, 'answered with something else than SSH agents do', error)
  }
}

function nonsense(): DepotError {
  return new DepotError('INVALID_NAME', 'not the answer that was asked for')
}

function failure(socket: string, what: string, cause?: Error): DepotError {
  return new DepotError('UNAUTHENTICATED', `the SSH agent at ${socket} ${what}`, { cause })
}
