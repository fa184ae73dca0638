/** The file that an attestation is about. */
export interface Attested {
  readonly filename: string
  readonly sha256: string
}

/** An attestation of PEP 740's form, which nobody signed. The further arguments replace fields of its statement and its material. */
export function attestation({ filename, sha256 }: Attested, statement: object = {}, material: object = {}): object {
  const said = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: filename, digest: { sha256 } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: null,
    ...statement,
  }
  return {
    version: 1,
    verification_material: {
      certificate: Buffer.from('a certificate').toString('base64'),
      transparency_entries: [{ logIndex: '1' }],
      ...material,
    },
    envelope: {
      statement: Buffer.from(JSON.stringify(said)).toString('base64'),
      signature: Buffer.from('a signature').toString('base64'),
    },
  }
}
