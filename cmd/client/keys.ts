import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { findSigners } from '../../auth/identity.ts'
import type { Signer } from '../../auth/signer.ts'
import { hasCode } from '../../src/errors.ts'
import { askSecret } from '../terminal/ask.ts'
import { homeOf, type Environment } from '../environment.ts'

/** Where to look for SSH keys. */
export interface KeySearch {
  readonly env: Environment
  /** A path or a fingerprint that the person named: it, or nothing. */
  readonly named: string | undefined
  /** The one that worked before: the first to try, if it is still there. */
  readonly remembered: string | undefined
  /** Is told why a key cannot be used. */
  readonly onRefused: (reason: string) => void
}

/** The keys to try, in turn. Nobody is asked for a passphrase before it is that key's turn. @throws DepotError */
export async function* candidateKeys({ env, named, remembered, onRefused }: KeySearch): AsyncGenerator<Signer> {
  const options = {
    home: homeOf(env),
    uid: process.getuid?.(),
    agentSocket: env['SSH_AUTH_SOCK'] || (await gpgSocket(env)),
    ask: await askSecret(env),
    onRefused,
  }
  const tried = new Set<string>()
  for (const identity of named !== undefined
    ? [named]
    : remembered !== undefined
      ? [remembered, undefined]
      : [undefined]) {
    try {
      for await (const signer of findSigners({ ...options, identity })) {
        if (tried.has(signer.fingerprint)) continue
        tried.add(signer.fingerprint)
        yield signer
      }
    } catch (error) {
      if (identity === undefined || identity === named || !hasCode(error, 'NOT_FOUND')) throw error
      onRefused(`the key that was used here before: ${error.message}`)
    }
  }
}

/** Where GnuPG's agent speaks for ssh, on machines that have no other. */
async function gpgSocket(env: Environment): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('gpgconf', ['--list-dirs', 'agent-ssh-socket'], {
      env,
      timeout: GPGCONF_MS,
    })
    return stdout.trim() === '' ? undefined : stdout.trim()
  } catch {
    return undefined
  }
}

const GPGCONF_MS = 5000
