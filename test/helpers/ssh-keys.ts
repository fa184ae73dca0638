import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { cleanEnv } from './clean-env.ts'
import { have } from './have.ts'
import { tempDir, type TempDir } from './temp-dir.ts'

/** Every key that logins may be signed with: `ssh-keygen -t` and `-b`. */
export const KEY_KINDS = {
  ed25519: ['ed25519'],
  'ecdsa-256': ['ecdsa', '256'],
  'ecdsa-384': ['ecdsa', '384'],
  'ecdsa-521': ['ecdsa', '521'],
  'rsa-2048': ['rsa', '2048'],
  'rsa-3072': ['rsa', '3072'],
  'rsa-4096': ['rsa', '4096'],
} as const satisfies Record<string, readonly string[]>

export type KeyKind = keyof typeof KEY_KINDS

export interface TestKey {
  /** The private key; the public one is beside it, with `.pub`. */
  readonly file: string
  /** The public key as an auth file holds it: `ssh-ed25519`, base64, comment. */
  readonly type: string
  readonly base64: string
  readonly comment: string
  /** As `ssh-keygen -l` prints it. */
  readonly fingerprint: string
}

export interface KeyOptions {
  readonly kind: KeyKind | 'rsa-1024' | 'dsa'
  readonly passphrase?: string
  readonly comment?: string
  /** Of the private key: `PEM` is the format of old times, `PKCS8` the one of others. */
  readonly format?: 'PEM' | 'PKCS8'
}

/** Let ssh-keygen make a key in `directory`, named after its kind unless `name` says otherwise. */
export async function makeKey(directory: string, options: KeyOptions, name: string = options.kind): Promise<TestKey> {
  const { kind, passphrase = '', comment = `${kind}@test`, format } = options
  const file = path.join(directory, name)
  const [type, bits] = kind in KEY_KINDS ? KEY_KINDS[kind as KeyKind] : kind.split('-')
  const size = bits === undefined ? [] : ['-b', bits]
  const form = format === undefined ? [] : ['-m', format]
  const kept = ['-q', '-t', type ?? '', ...size, ...form, '-N', passphrase, '-C', comment, '-f', file]
  await run(have.paths.openssh, kept)
  return readTestKey(file)
}

/** Read a key pair that is there: `<file>` and `<file>.pub`. */
export async function readTestKey(file: string): Promise<TestKey> {
  const publicFile = `${file}.pub`
  const [type = '', base64 = '', ...comment] = (await readFile(publicFile, 'utf8')).trim().split(' ')
  const { stdout } = await run(have.paths.openssh, ['-l', '-f', publicFile])
  return { file, type, base64, comment: comment.join(' '), fingerprint: stdout.split(' ')[1] ?? '' }
}

export interface TestAgent extends AsyncDisposable {
  /** Path of the agent's socket, as in SSH_AUTH_SOCK. */
  readonly socket: string
}

/** Start a real ssh-agent that holds these keys (without passphrase); it ends when disposed. */
export async function startAgent(keys: readonly TestKey[] = []): Promise<TestAgent> {
  const directory = await tempDir('agent')
  const socket = directory.join('agent.sock')
  const agent = spawn(beside('ssh-agent'), ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(agent, 'exit')
  // It prints its socket as soon as it listens.
  await Promise.race([once(agent.stdout, 'data'), gone])
  const dispose = async () => {
    agent.kill('SIGTERM')
    await gone
    await directory[Symbol.asyncDispose]()
  }
  try {
    if (keys.length > 0) await addKeys(directory, socket, keys)
    return { socket, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

const run = promisify(execFile)

function addKeys(home: TempDir, socket: string, keys: readonly TestKey[]): Promise<unknown> {
  const env = cleanEnv(home.path, { SSH_AUTH_SOCK: socket })
  return run(beside('ssh-add'), ['-q', ...keys.map(({ file }) => file)], { env })
}

/** The other programs of OpenSSH lie beside ssh-keygen. */
function beside(name: string): string {
  return path.join(path.dirname(have.paths.openssh), name)
}
