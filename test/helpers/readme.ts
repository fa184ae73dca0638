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

/** The block of the README that stands behind `<!-- prints: command -->`. */
export function readmeOutput(command: string): string {
  const marker = `<!-- prints: ${command} -->\n\`\`\`\n`
  const text = readFileSync(README, 'utf8')
  const start = text.indexOf(marker)
  if (start === -1) throw new Error(`the README has no block that ${command} prints`)
  return text.slice(start + marker.length, text.indexOf('```', start + marker.length))
}

/** Shell blocks of the README that no test claims to run. */
export function unclaimedBlocks(): readonly string[] {
  const text = readFileSync(README, 'utf8')
  return [...text.matchAll(/(<!-- runs: \w+ -->\n)?```sh\n(.*?)```/gs)]
    .filter(([, claim]) => claim === undefined)
    .map(([, , script = '']) => script.trim())
}

/** The flake of a NixOS machine that the README shows. */
export function readmeNix(): string {
  const [, text] = /```nix\n(.*?)```/s.exec(readFileSync(README, 'utf8')) ?? []
  if (text === undefined) throw new Error('the README shows no flake')
  return text
}
