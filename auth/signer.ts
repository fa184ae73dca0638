import type { KeyType } from './public-key.ts'

/** A private key that can sign logins, wherever it lies. */
export interface Signer {
  readonly type: KeyType
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string
  /** As an auth file holds it: `<type> <base64>`. */
  readonly publicKey: string
  /** What people call the key; fit for a terminal. */
  readonly comment: string
  /** JOSE algorithms to ask for, the best first. */
  readonly algorithms: readonly string[]
  /**
   * Sign these bytes as they are; the key's algorithm hashes them.
   *
   * @returns the signature as JOSE writes it, or undefined when the key's holder signs with another algorithm only.
   * @throws DepotError `UNAUTHENTICATED` when the holder does not answer, or somebody there said no.
   */
  sign(algorithm: string, input: Uint8Array): Promise<Uint8Array | undefined>
}
