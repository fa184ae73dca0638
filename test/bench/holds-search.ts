import { npmPackages, packagesWithReadme, POISONED_TEXT, poisonedPackages } from '../helpers/many-records.ts'
import { median } from './load.ts'
import type { Row } from './run.ts'
import { held, statusOf, watched, type Watched } from './watched.ts'

const PACKAGES = 20_000
const README_LENGTH = 12 * 1024 * 1024
const ROUNDS = 9
const AIM_MS = 30
const QUERIES = [
  ['one word', 'text=server'],
  ['two words', 'text=json%20parser'],
  ['everything', 'text='],
  ['everything, as much as one may ask for', 'text=&size=250'],
  ['a keyword', 'text=keywords:json'],
  ['nothing that is there', 'text=nowhere'],
  ['a late page', 'text=a&from=19000'],
] as const

/** Searches in a large registry, the first of which reads it, and in one that was written to make them slow. */
export async function searchHolds(dir: string): Promise<readonly Row[]> {
  await using many = await watched(`${dir}/many`, [npmPackages(PACKAGES)])
  const search = (query: string): Promise<string> => searchIn(many, query)
  const [, first] = QUERIES[0]
  const rows = [await held(many, 'the first search of 20,000 packages', () => search(first), { rounds: 1, aimMs: 50 })]
  for (const [what, query] of QUERIES)
    rows.push(await searched(`search of 20,000 packages for ${what}`, () => search(query)))
  const all = async (): Promise<string> => {
    for (const [, query] of QUERIES) await search(query)
    return '200 to each'
  }
  rows.push(await held(many, 'those searches, one after the other', all, { aimMs: 50 }))

  await using poisoned = await watched(`${dir}/poisoned`, [poisonedPackages(400)])
  await searchIn(poisoned, 'text=package')
  const slow = (): Promise<string> => searchIn(poisoned, `size=0&text=${POISONED_TEXT}`)
  rows.push(await held(poisoned, 'a search for what 400 packages were written to make slow', slow))

  await using long = await watched(`${dir}/long`, [packagesWithReadme(20, README_LENGTH)])
  const readmes = (): Promise<string> => searchIn(long, 'text=package')
  return [...rows, await held(long, 'the first search of 20 packages with readmes of 12 MB', readmes, { rounds: 1 })]
}

function searchIn({ depot }: Watched, query: string): Promise<string> {
  return statusOf(fetch(`${depot.url}/npm/-/v1/search?${query}`), 200)
}

async function searched(name: string, search: () => Promise<string>): Promise<Row> {
  const all: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now()
    await search()
    all.push(performance.now() - began)
  }
  const took = median(all)
  return {
    name,
    ours: `${took.toFixed(1)} ms`,
    peer: '',
    ratio: undefined,
    target: `< ${AIM_MS} ms`,
    met: took < AIM_MS,
  }
}
