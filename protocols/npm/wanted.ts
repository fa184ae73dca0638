import { heldAs, type Held } from '../../src/wanted.ts'
import { KIND } from './records.ts'

const packages = heldAs(KIND.package)
const versions = heldAs(KIND.version)

/** Packages by name, versions as `name@version`: what `depot npm save` takes. */
export const held: Held = async (depot, cache, names) => {
  const isVersion = (name: string): boolean => name.lastIndexOf('@') > 0
  const found = await packages(
    depot,
    cache,
    names.filter((name) => !isVersion(name)),
  )
  return new Set([...found, ...(await versions(depot, cache, names.filter(isVersion)))])
}
