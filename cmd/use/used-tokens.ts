import { placeOf, type Edit } from '../config-files/edits.ts'
import { withDepot, type DepotProfile, type Profiles } from '../client/profiles.ts'

/** A token that `depot use` made, and the files that it stands in. */
export interface TokenUse {
  readonly id: string
  readonly files: readonly string[]
}

/**
 * Note what a use of a depot wrote. An edit of a place that was written before keeps what stood there at first; a token whose files
 * all have another one now is given back as replaced.
 */
export function addUse(
  profile: DepotProfile,
  use: { readonly edits: readonly Edit[]; readonly tokens: readonly TokenUse[] },
): { readonly profile: DepotProfile; readonly replaced: readonly TokenUse[] } {
  const edits = new Map((profile.edits ?? []).map((edit) => [placeOf(edit), edit]))
  for (const edit of use.edits) edits.set(placeOf(edit), keepFirst(edits.get(placeOf(edit)), edit))
  const written = new Set(use.tokens.flatMap(({ files }) => files))
  const old = (profile.tokens ?? []).map(({ id, files }) => ({ id, files: files.filter((file) => !written.has(file)) }))
  const tokens = [...old.filter(({ files }) => files.length > 0), ...use.tokens]
  return {
    profile: {
      ...profile,
      edits: [...edits.values()],
      tokens: tokens.map(({ id, files }) => ({ id, files: [...files] })),
    },
    replaced: old.filter(({ files }) => files.length === 0),
  }
}

/** Forget a depot. Where another one has taken a place of it, what stood there before both is the other's to bring back. */
export function forgetDepot(profiles: Profiles, key: string): Profiles {
  const gone = new Map(profiles.depots[key]?.edits?.map((edit) => [placeOf(edit), edit]))
  const passOn = (edit: Edit): Edit => {
    const earlier = gone.get(placeOf(edit))
    const follows = earlier !== undefined && 'value' in earlier && 'previous' in edit && edit.previous === earlier.value
    return follows ? keepFirst(earlier, edit) : edit
  }
  const depots = Object.entries(profiles.depots).map(([other, { edits, ...profile }]): [string, DepotProfile] => [
    other,
    { ...profile, ...(edits === undefined ? {} : { edits: edits.map(passOn) }) },
  ])
  const { current, ...rest } = withDepot({ ...profiles, depots: Object.fromEntries(depots) }, key, () => undefined)
  return current === undefined || current === key ? rest : { ...rest, current }
}

/** What stood there before us is known from the first time only. */
function keepFirst(first: Edit | undefined, now: Edit): Edit {
  if (first === undefined || first.kind !== now.kind || !('key' in first) || !('key' in now)) return now
  const { previous: _previous, newSection: _newSection, ...rest } = now
  return {
    ...rest,
    ...(first.previous === undefined ? {} : { previous: first.previous }),
    ...(first.newSection === undefined ? {} : { newSection: first.newSection }),
  }
}
