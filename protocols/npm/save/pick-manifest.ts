// @ts-expect-error: the package has no types
import untyped from 'npm-pick-manifest'

/** What npm's choice among the versions of a package reads of its packument. */
export interface Candidates {
  readonly name: string
  readonly 'dist-tags': Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, Candidate>>
}

export interface Candidate {
  readonly name: string
  readonly version: string
  readonly deprecated?: unknown
  readonly engines?: unknown
}

/**
 * npm's own choice (npm-pick-manifest) for a version, range or tag. It changes the `bin` of the manifest that it
 * returns.
 *
 * @throws Error with a `code` when nothing fits: ETARGET, ENOVERSIONS, E403
 */
export const pickManifest = untyped as (packument: Candidates, wanted: string) => Candidate
