import process from 'node:process'

import fc from 'fast-check'

/**
 * Every property runs on the same values each time, so that a change is never refused for a counterexample that was always there.
 * `DEPOT_TEST_SEED=random` looks for such ones (`task test-explore`), `DEPOT_TEST_SEED=<number>` runs all properties on one seed, and
 * `DEPOT_TEST_RUNS=<number>` sets how many values a property tries that does not say so itself. A failure prints its seed and path.
 */
const { DEPOT_TEST_SEED: seed = '1', DEPOT_TEST_RUNS: runs = '100' } = process.env

fc.configureGlobal({
  numRuns: wholeNumber('DEPOT_TEST_RUNS', runs),
  ...(seed === 'random' ? {} : { seed: wholeNumber('DEPOT_TEST_SEED', seed) }),
})

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  // Thrown in every test file: a seed that means nothing must not pass for one.
  if (!Number.isSafeInteger(number) || text.trim() === '') throw new Error(`${name}=${text} is not a whole number`)
  return number
}
