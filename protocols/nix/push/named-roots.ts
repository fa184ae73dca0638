import { failItem, type Report } from '../../../src/client/report.ts'
import { DepotError } from '../../../src/errors.ts'
import { evaluate, type Nix } from '../closure/evaluate.ts'
import type { PathSource } from '../closure/path-source.ts'
import { printStorePath } from '../store-path.ts'

export interface NamedRoots {
  /** Base names. */
  readonly storePaths: readonly string[]
  /** What Nix is asked for, which builds or fetches what is not there: `nixpkgs#hello`. */
  readonly installables: readonly string[]
  readonly nix: Nix
  readonly source: Pick<PathSource, 'facts'>
  /** Also the derivations that they were built by. */
  readonly derivations: boolean
  readonly report: Report
}

/** Base names of what somebody named. What Nix cannot make, and whose derivation is not known, is reported. */
export async function namedRoots({
  storePaths,
  installables,
  nix,
  source,
  derivations,
  report,
}: NamedRoots): Promise<ReadonlySet<string>> {
  const roots = new Set(storePaths)
  const each = async (item: string, work: () => Promise<void>): Promise<void> => {
    await work().catch((error: unknown) => failItem(report, item, error))
  }
  for (const installable of installables)
    await each(installable, async () => {
      for (const { derivation, outputs } of await evaluate(nix, installable, { build: true })) {
        for (const output of outputs) roots.add(output)
        if (derivations && derivation !== undefined) roots.add(derivation)
      }
    })
  if (!derivations) return roots
  for (const baseName of storePaths.filter((name) => !name.endsWith('.drv')))
    await each(printStorePath(baseName), async () => {
      const facts = await source.facts(baseName)
      if (facts?.deriver !== undefined) roots.add(facts.deriver)
      // Who is not there at all is told of by whoever looks for its closure.
      else if (facts !== undefined)
        throw new DepotError('NOT_FOUND', 'its derivation is not known: name the flake, or the .drv')
    })
  return roots
}
