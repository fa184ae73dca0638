import { generateKeyPairSync } from 'node:crypto'

import { z } from 'zod'

import { keySigner } from '../../auth/key-signer.ts'
import { sshTokenSource } from '../../auth/ssh-token-source.ts'
import { lineKey } from './auth-lines.ts'
import { startWorld, type World, type WorldOptions } from './world.ts'

/** A depot that asks for credentials, and an SSH key that may do everything there. */
export interface GuardedWorld extends World {
  /** A stored token with these grants. */
  token(...grants: readonly string[]): Promise<string>
}

export interface GuardedOptions extends Pick<WorldOptions, 'settings' | 'site'> {
  /** Who may read without credentials. */
  readonly reads: 'open' | 'closed'
}

/** The real server with an auth file of one key that writes and, where reads are closed, one that reads. */
export async function startGuardedWorld({ reads, ...options }: GuardedOptions): Promise<GuardedWorld> {
  const signer = keySigner(generateKeyPairSync('ed25519').privateKey, 'owner@test')
  const lines = [
    `w ${signer.publicKey} owner@test`,
    ...(reads === 'closed' ? [`r ${lineKey(1).text} reader@test`] : []),
  ]
  const world = await startWorld({ ...options, authFile: lines.map((line) => `${line}\n`).join('') })
  const logins = sshTokenSource({ signer, url: new URL(world.url), issuer: 'depot-cli/test' })
  return {
    ...world,
    async token(...grants) {
      const method = 'POST'
      const authorization = await logins.authorization({ method, path: '/-/tokens' })
      const answer = await world.fetch('/-/tokens', {
        method,
        headers: { authorization: authorization ?? '', 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'a client', grants }),
      })
      return answered.parse(await answer.json()).token
    },
  }
}

const answered = z.object({ token: z.string().startsWith('dpt_') })
