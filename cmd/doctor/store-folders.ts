import type { StorageConfig } from '../settings/config.ts'

/** The folders of several stores, where the depot has them: each is looked at as the folder of the data is. */
export function storeFolders({ stores }: Pick<StorageConfig, 'stores'>): readonly string[] {
  return (stores?.stores ?? []).flatMap(({ place }) => (place.type === 'fs' ? [place.path] : []))
}
