import type { Socket } from 'node:net'

import { beforeAll, describe, expect, it } from 'vitest'

import { mintLogin } from '../../auth/login.ts'
import { parsePublicKey, type PublicKey } from '../../auth/public-key.ts'
import { agentSigner, listAgentKeys } from '../../auth/ssh-agent.ts'
import { writeString, writeUint32 } from '../../auth/ssh-wire.ts'
import { LIMITS } from '../../src/limits.ts'
import { describeWith } from '../helpers/have.ts'
import { makeKey, startAgent } from '../helpers/ssh-keys.ts'
import { startStubAgent } from '../helpers/stub-agent.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const ED25519 = parsePublicKey('ssh-ed25519', 'AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4')
const LOGIN = { audience: 'https://depot.example', issuer: 'depot-cli/test', now: 1_700_000_000, jti: 'x'.repeat(22) }
const FAILURE = Buffer.of(5)
const NONSENSE = 'answered with something else than SSH agents do'

describeWith('openssh', 'a real ssh-agent', () => {
  it('lists what it holds, with comments', async () => {
    await using directory = await tempDir('keys')
    const ed25519 = await makeKey(directory.path, { kind: 'ed25519', comment: 'me and my laptop' })
    const weak = await makeKey(directory.path, { kind: 'rsa-1024' })
    await using agent = await startAgent([ed25519, weak])
    const keys = await listAgentKeys(agent)
    expect(keys.map(({ comment }) => comment)).toEqual(['me and my laptop', 'rsa-1024@test'])
    expect(Buffer.from(keys[0]?.blob ?? []).toString('base64')).toBe(ed25519.base64)
  })

  it('holds nothing at first, and does not sign with what it does not hold', async () => {
    await using agent = await startAgent()
    expect(await listAgentKeys(agent)).toEqual([])
    const signer = agentSigner(agent, ED25519, 'gone')
    await expect(mintLogin({ signer, ...LOGIN })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: `the SSH agent at ${agent.socket} did not sign with ssh-ed25519 key ${ED25519.fingerprint}`,
    })
  })
})

describe('an SSH agent that is not what it should be', () => {
  it('is refused when it is not there', async () => {
    await using directory = await tempDir('agent')
    const socket = directory.join('none.sock')
    await expect(listAgentKeys({ socket })).rejects.toThrow(`the SSH agent at ${socket} cannot be reached`)
  })

  it('is refused when it says nothing, in the time for lists and in the time for signatures', async () => {
    await using agent = await startStubAgent(() => undefined)
    await expect(listAgentKeys({ ...agent, listTimeoutMs: 100 })).rejects.toThrow('gave no answer in 0.1 s')
    const signer = agentSigner({ ...agent, listTimeoutMs: 1, signTimeoutMs: 200 }, ED25519, '')
    await expect(mintLogin({ signer, ...LOGIN })).rejects.toThrow('gave no answer in 0.2 s')
  })

  it.each<[string, string, (connection: Socket) => void]>([
    ['hangs up', 'hung up', (connection) => connection.end()],
    ['hangs up in its answer', 'hung up', (connection) => connection.end(Buffer.of(0, 0, 0, 5, 12))],
    [
      'announces too much',
      'wants to send 262145 bytes',
      (connection) => connection.write(writeUint32(LIMITS.sshAgentAnswerBytesMax + 1)),
    ],
    [
      'announces four gigabytes',
      'wants to send 4294967295 bytes',
      (connection) => connection.write(writeUint32(2 ** 32 - 1)),
    ],
    ['answers with nothing', NONSENSE, (connection) => connection.write(writeString(Buffer.alloc(0)))],
    ['answers with a failure', NONSENSE, (connection) => connection.write(writeString(FAILURE))],
    ['answers another question', NONSENSE, (connection) => connection.write(writeString(Buffer.of(14, 0, 0, 0, 0)))],
    ['counts more keys than it lists', NONSENSE, (connection) => connection.write(listOf(2, 'a', 'b'))],
    ['counts fewer keys than it lists', NONSENSE, (connection) => connection.write(listOf(0, 'a', 'b'))],
    ['counts four billion keys', NONSENSE, (connection) => connection.write(listOf(2 ** 32 - 1))],
    ['lists half a key', NONSENSE, (connection) => connection.write(listOf(1, 'a'))],
    [
      'speaks HTTP',
      'wants to send 1213486160 bytes',
      (connection) => connection.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ],
  ])('is refused when it %s', async (_what, reason, answer) => {
    await using agent = await startStubAgent((_question, connection) => answer(connection))
    await expect(listAgentKeys(agent)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: `the SSH agent at ${agent.socket} ${reason}`,
    })
  })

  it('cannot move the cursor with its comments', async () => {
    await using agent = await startStubAgent((_question, connection) =>
      connection.write(listOf(1, 'blob', 'my\u001B[2J key\r\n\u202E' + 'x'.repeat(1000))),
    )
    const [key] = await listAgentKeys(agent)
    expect(key?.comment).toMatch(/^my\[2J keyx{180,190}$/)
  })

  it('may send its answer byte by byte', async () => {
    await using agent = await startStubAgent((_question, connection) => {
      connection.setNoDelay()
      for (const byte of listOf(1, 'blob', 'comment')) connection.write(Buffer.of(byte))
    })
    expect(await listAgentKeys(agent)).toMatchObject([{ comment: 'comment' }])
  })
})

describeWith('openssh', 'an SSH agent that signs with RSA', () => {
  let rsa: PublicKey
  beforeAll(async () => {
    await using directory = await tempDir('keys')
    const { type, base64 } = await makeKey(directory.path, { kind: 'rsa-2048' })
    rsa = parsePublicKey(type, base64)
  })

  it('is refused when it signs with SHA-1 whatever it is asked for', async () => {
    await using agent = await startStubAgent((_question, connection) => connection.write(signed('ssh-rsa')))
    const minted = mintLogin({ signer: agentSigner(agent, rsa, ''), ...LOGIN })
    await expect(minted).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: `ssh-rsa key ${rsa.fingerprint}: the SSH agent did not sign with RS512 or RS256, as it was asked; signatures with SHA-1 are refused: use a newer agent, or an ed25519 key`,
    })
    expect(agent.questions.map(flagsOf)).toEqual([4, 2])
  })

  it('may know the flag of SHA-256 only, and then the login says so', async () => {
    await using agent = await startStubAgent((question, connection) =>
      connection.write(signed(flagsOf(question) === 2 ? 'rsa-sha2-256' : 'ssh-rsa')),
    )
    const [header = ''] = (await mintLogin({ signer: agentSigner(agent, rsa, ''), ...LOGIN })).split('.')
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toMatchObject({ alg: 'RS256' })
    expect(agent.questions.map(flagsOf)).toEqual([4, 2])
  })

  it('is not asked again when somebody there said no', async () => {
    await using agent = await startStubAgent((_question, connection) => connection.write(writeString(FAILURE)))
    await expect(mintLogin({ signer: agentSigner(agent, rsa, ''), ...LOGIN })).rejects.toThrow('did not sign with')
    expect(agent.questions).toHaveLength(1)
  })
})

/** The last number of a question to sign. */
function flagsOf(question: Buffer): number {
  return question.readUInt32BE(question.length - 4)
}

function signed(name: string): Uint8Array {
  const signature = Buffer.concat([writeString(Buffer.from(name)), writeString(Buffer.alloc(256, 1))])
  return writeString(Buffer.concat([Buffer.of(14), writeString(signature)]))
}

function listOf(count: number, ...strings: readonly string[]): Uint8Array {
  const fields = strings.map((text) => writeString(Buffer.from(text)))
  return writeString(Buffer.concat([Buffer.of(12), writeUint32(count), ...fields]))
}
