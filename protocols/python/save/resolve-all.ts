import { inParallel } from '../../../src/client/in-parallel.ts'
import type { Report } from '../../../src/client/report.ts'
import { hasCode, type DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { parseRequirement, pinnedVersion } from '../locks/requirement.ts'
import type { Requirements, Resolution, Resolver } from './resolver.ts'

const NOTHING: Resolution = { versions: [], addresses: [] }

/**
 * The versions that some requirements come to. Those that do not fit together are resolved each by itself: a mirror may hold both. Without
 * a resolver it is what is pinned, and nothing that depends on it. What cannot be resolved is reported.
 *
 * @param together whether somebody installs all of them at once, so that it is a failure when that cannot be
 */
export async function resolveAll(
  resolver: Resolver | undefined,
  requirements: Requirements,
  { report, together }: { readonly report: Report; readonly together: boolean },
): Promise<Resolution> {
  const { lines } = requirements
  if (lines.length === 0) return NOTHING
  if (resolver === undefined) return pinsOnly(lines, report)
  const [all, conflict] = await attempt(resolver, requirements)
  if (all !== undefined) return all
  if (lines.length === 1) {
    report.add({ item: lines[0] ?? '', result: 'failed', reason: conflict?.message ?? '' })
    return NOTHING
  }
  const found: Resolution[] = []
  await inParallel(lines, LIMITS.resolversAtOnce, async (line) => {
    const [alone, reason] = await attempt(resolver, { ...requirements, lines: [line] })
    if (alone !== undefined) found.push(alone)
    else report.add({ item: line, result: 'failed', reason: reason?.message ?? '' })
  })
  if (found.length === lines.length && together)
    report.add({
      item: 'requirements',
      result: 'failed',
      reason: `they cannot be installed together; each was saved by itself: ${conflict?.message ?? ''}`,
    })
  return {
    versions: found.flatMap(({ versions }) => versions),
    addresses: found.flatMap(({ addresses }) => addresses),
  }
}

async function attempt(
  resolver: Resolver,
  requirements: Requirements,
): Promise<readonly [Resolution | undefined, DepotError | undefined]> {
  try {
    return [await resolver.resolve(requirements), undefined]
  } catch (error) {
    if (hasCode(error, 'BAD_REQUEST')) return [undefined, error]
    throw error
  }
}

/** What to do about it is said with the first failure. */
export const NO_RESOLVER = 'neither uv nor pip is installed here, and one of them has to find versions: install uv'

function pinsOnly(lines: readonly string[], report: Report): Resolution {
  const versions = lines.flatMap((line) => {
    const parsed = parseRequirement(line)
    const version = parsed && pinnedVersion(parsed.specifier)
    if (parsed !== undefined && version !== undefined) return [{ project: parsed.project, version }]
    report.add({ item: line, result: 'failed', reason: NO_RESOLVER })
    return []
  })
  if (versions.length > 0) report.add({ item: 'dependencies', result: 'failed', reason: NO_RESOLVER })
  return { versions, addresses: [] }
}
