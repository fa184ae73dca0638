import { heldAs, type Held } from '../../src/wanted.ts'
import { FILE_KIND, PROJECT_KIND } from './records.ts'

const projects = heldAs(PROJECT_KIND)
const files = heldAs(FILE_KIND)

/** Projects by their normalised name, files as `project/file name`. */
export const held: Held = async (depot, cache, names) => {
  const isFile = (name: string): boolean => name.includes('/')
  const found = await projects(
    depot,
    cache,
    names.filter((name) => !isFile(name)),
  )
  return new Set([...found, ...(await files(depot, cache, names.filter(isFile)))])
}
