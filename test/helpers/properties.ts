import fc from 'fast-check'

import { SEED, wholeNumber } from './seed.ts'

/**
 * All properties begin with the seed of the run. `DEPOT_TEST_RUNS=<number>` sets how many values a property tries that does not say so
 * itself. A failure prints its seed, and the path to its counterexample.
 */
fc.configureGlobal({ seed: SEED, numRuns: wholeNumber('DEPOT_TEST_RUNS', 100) })
