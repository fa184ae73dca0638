import { warn, type Finding } from './finding.ts'

/**
 * What is to be said of a depot whose version is not that of this command line; nothing of two that differ in their last number only, and of
 * one that does not tell.
 */
export function judgeVersions(theirs: string | undefined, ours: string): readonly Finding[] {
  const [there, here] = [numbersOf(theirs), numbersOf(ours)]
  if (there === undefined || here === undefined) return []
  const gap = there.major - here.major || there.minor - here.minor
  if (gap === 0) return []
  const [newer, where] = gap > 0 ? [theirs, 'here'] : [ours, 'there, by its operator']
  return [
    warn(
      `the depot is version ${theirs}, and this command line ${ours}`,
      `npm install --global ./depot-depot-${newer}.tgz   (${where}; in a checkout of that version: npm run build && npm pack)`,
    ),
  ]
}

function numbersOf(version: string | undefined): { readonly major: number; readonly minor: number } | undefined {
  const groups = /^(?<major>\d{1,9})\.(?<minor>\d{1,9})\./.exec(version ?? '')?.groups
  return groups && { major: Number(groups['major']), minor: Number(groups['minor']) }
}
