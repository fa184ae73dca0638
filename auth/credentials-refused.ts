/** Why credentials are not good: for the log, never for the client. */
export class CredentialsRefused extends Error {
  override readonly name = 'CredentialsRefused'
  /** Fingerprint of the key that a login names, or the id that a stored token names; empty when there is none. */
  readonly key: string
  readonly jti: string

  constructor(reason: string, key = '', jti = '') {
    super(reason)
    this.key = key
    this.jti = jti
  }
}
