import semver from 'semver'

import type { PushRun } from '../../../src/client/runs.ts'
import type { DepotState, PackageState } from './ask-versions.ts'
import { historyOf, type DoneVersion } from './history.ts'
import type { SavedPackage } from './saved-packages.ts'

/**
 * Tell the depot what became of a package in the registry that it was saved from. A tag that somebody set in the depot stays, unless it
 * points at a version that was saved; and a folder that is older than what the depot was told last takes nothing back.
 *
 * @throws DepotError
 */
export async function pushHistory(
  { transfer, report, dryRun }: PushRun,
  saved: SavedPackage,
  { done, state }: { readonly done: readonly DoneVersion[]; readonly state: DepotState },
): Promise<void> {
  if (done.length === 0) return
  const { name } = saved
  const here = state.packages.get(name) ?? NOTHING
  const isOlder = isBefore(saved.time.get('modified'), here.modified)
  const theirs = new Set(saved.versions.map(({ version }) => version))
  const { history, kept } = historyOf({
    elsewhere: { ...saved, tags: tagsOf(saved, here, done) },
    done,
    alsoHere: here.versions.keys(),
    here,
    now: Date.now(),
    mayMove: (tag, current) => !isOlder && (theirs.has(current) || !here.set.has(tag)),
  })
  for (const { tag, version } of kept) {
    const reason = isOlder
      ? `it stays at ${version}: the depot was told of a later state of the package`
      : `it stays at ${version}, which was published to the depot`
    report.add({ item: `the tag ${tag} of ${name}`, result: 'left out', reason })
  }
  if (history === undefined || dryRun) return
  const at = `/npm/-/packages/${encodeURIComponent(name)}/history` as const
  await transfer.send({ method: 'PUT', path: at, body: () => JSON.stringify(history) })
}

const NOTHING: PackageState = {
  versions: new Map(),
  tags: new Map(),
  time: new Map(),
  set: new Set(),
  modified: undefined,
}

/**
 * The registry's tags. When its `latest` was not saved, the metadata has a stand-in for that: it counts only where the depot has neither
 * the true one nor a higher one.
 */
function tagsOf(
  { tags, latest }: SavedPackage,
  here: PackageState,
  done: readonly DoneVersion[],
): ReadonlyMap<string, string> {
  if (latest === undefined) return tags
  const isHere = here.versions.has(latest) || done.some(({ version }) => version === latest)
  if (isHere) return new Map([...tags, ['latest', latest]])
  const standIn = tags.get('latest')
  const current = here.tags.get('latest')
  const isHigher = standIn !== undefined && (current === undefined || semver.gt(standIn, current))
  return isHigher ? tags : new Map([...tags].filter(([tag]) => tag !== 'latest'))
}

function isBefore(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && Date.parse(one) < Date.parse(other)
}
