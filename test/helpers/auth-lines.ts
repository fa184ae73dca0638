import { createHash } from 'node:crypto'

import { writeString } from '../../auth/ssh-wire.ts'

/** An ed25519 public key as a line of an auth file holds it. */
export interface LineKey {
  /** `ssh-ed25519 <base64>` */
  readonly text: string
  readonly fingerprint: string
}

/** The key of this number: always the same one. Nobody has its private half. */
export function lineKey(number: number): LineKey {
  const point = createHash('sha256').update(`key ${number}`).digest()
  const blob = Buffer.concat([writeString(Buffer.from('ssh-ed25519')), writeString(point)])
  const digest = createHash('sha256').update(blob).digest('base64')
  return { text: `ssh-ed25519 ${blob.toString('base64')}`, fingerprint: `SHA256:${digest.replace('=', '')}` }
}
