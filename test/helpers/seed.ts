import process from 'node:process'

/**
 * What is made up in tests begins with this, and is the same in every run, so that a change is never refused for a counterexample
 * that was always there. `DEPOT_TEST_SEED=random` looks for such ones (`task test-explore`), `DEPOT_TEST_SEED=<number>` comes back to one.
 */
export const SEED =
  process.env['DEPOT_TEST_SEED'] === 'random' ? Date.now() % 1_000_000 : wholeNumber('DEPOT_TEST_SEED', 1)

/** A variable that is a number. @throws Error for what is none: it must not pass for one */
export function wholeNumber(name: string, otherwise: number): number {
  const text = process.env[name] ?? String(otherwise)
  const number = Number(text)
  if (!Number.isSafeInteger(number) || text.trim() === '') throw new Error(`${name}=${text} is not a whole number`)
  return number
}
