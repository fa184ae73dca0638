import { absentPaths } from '../../protocols/nix/push/absent-paths.ts'
import { absentVersions } from '../../protocols/npm/push/absent-versions.ts'
import { absentFiles } from '../../protocols/python/push/absent-files.ts'
import type { BundledFile } from '../../src/bundle/manifest.ts'
import { failItem } from '../../src/client/report.ts'
import type { TransferRun } from '../transfer/run.ts'

const ABSENT = { nix: absentPaths, npm: absentVersions, python: absentFiles }

/**
 * Report what a bundle lists without carrying it, and the depot lacks: its base was never brought in. What metadata that it carries tells
 * of is told by the push.
 */
export async function reportAbsent(
  { transfer, report }: Pick<TransferRun, 'transfer' | 'report'>,
  files: readonly BundledFile[],
): Promise<void> {
  const told = new Set(files.filter((file) => file.carried && file.path.endsWith(METADATA)).map(packageOf))
  for (const name of Object.keys(ABSENT) as (keyof typeof ABSENT)[]) {
    const prefix = `${name}/`
    const listed = files
      .filter((file) => !file.carried && file.path.startsWith(prefix) && !told.has(packageOf(file)))
      .map(({ path, sha256 }) => ({ path: path.slice(prefix.length), sha256 }))
    if (listed.length === 0) continue
    try {
      for (const { path, reason = NOT_HERE } of await ABSENT[name](transfer, listed))
        report.add({ item: prefix + path, result: 'failed', reason })
    } catch (error) {
      failItem(report, `what the bundle does not carry of ${name}`, error)
    }
  }
}

const METADATA = '/metadata.json'
const NOT_HERE = 'it is neither in the bundle nor in the depot: bring in the bundle that this one builds on first'

/** `npm/express`, `npm/@scope/name`; of other ecosystems something that has no such metadata. */
function packageOf({ path }: BundledFile): string {
  return /^npm\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? path
}
