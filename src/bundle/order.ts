/** Whether a saved file tells of others: packuments, entries of indexes, narinfos and what lies beside files. They are small. */
export function isMetadata(path: string): boolean {
  return rank(path) > 0
}

/**
 * The place of a file among those that become visible: archives first, then what lies beside them, then what names them, so that
 * nobody is ever told of something that is not there.
 */
export function rank(path: string): number {
  if (NAMES.test(path)) return 2
  return BESIDE.test(path) ? 1 : 0
}

const NAMES = /(?:^|\/)metadata\.json$|\.(?:whl|egg|tar\.(?:gz|bz2|xz)|tgz|zip)\.json$|\.narinfo$|\.doi$/
const BESIDE = /\.(?:json|metadata|provenance)$|(?:^|\/)nix-cache-info$/
