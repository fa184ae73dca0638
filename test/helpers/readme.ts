import { readFileSync } from 'node:fs'
import path from 'node:path'

const README = path.join(import.meta.dirname, '..', '..', 'README.md')

/** The shell blocks of the README that stand behind `<!-- runs: name -->`, in order, as one script that stops at the first failure. */
export function readmeScript(name: string): string {
  const blocks = [...readFileSync(README, 'utf8').matchAll(/<!-- runs: (\w+) -->\n```sh\n(.*?)```/gs)]
  const wanted = blocks.filter(([, block]) => block === name).map(([, , script = '']) => script)
  if (wanted.length === 0) throw new Error(`the README has no block that runs: ${name}`)
  return ['set -euo pipefail', ...wanted].join('\n')
}

/** Shell blocks of the README that no test claims to run. */
export function unclaimedBlocks(): readonly string[] {
  const text = readFileSync(README, 'utf8')
  return [...text.matchAll(/(<!-- runs: \w+ -->\n)?```sh\n(.*?)```/gs)]
    .filter(([, claim]) => claim === undefined)
    .map(([, , script = '']) => script.trim())
}
