/** A derivation whose build runs a script of the shell and that depends on nothing else; `more` are further attributes. */
export function derivation(name: string, script: string, more = ''): string {
  return `derivation {
    name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin"; ${more}
    args = [ "-c" ''${script}'' ];
  }`
}

/** Attributes that have its output named by what it contains. */
export const ADDRESSED = '__contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";'

/** A listing as that of a store on disk, which does not know where contents lie in an archive. */
export function withoutOffsets(listing: unknown): unknown {
  return JSON.parse(JSON.stringify(listing, (key, value: unknown) => (key === 'narOffset' ? undefined : value)))
}
