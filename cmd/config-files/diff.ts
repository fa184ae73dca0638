import { redacted, withoutUserinfo } from '../../src/redact.ts'
import { bare, splitLines } from './lines.ts'

/**
 * The lines that differ, in the manner of `diff -U0`, without the secrets in them. No lines around them: in these files the neighbours
 * hold passwords of others.
 */
export function diffLines(file: string, before: string, after: string): string[] {
  return printed(
    { from: before === '' ? '/dev/null' : file, file, hide },
    changes(splitLines(before), splitLines(after)),
  )
}

/**
 * The same for texts of equally many lines, each changed in its place or not: of any length, in a time that grows with it. Of secrets it
 * knows those that addresses have in them, and tokens.
 */
export function diffInPlace(file: string, before: string, after: string): string[] {
  const lines = splitLines(after)
  const hunks: Hunk[] = []
  for (const [at, line] of splitLines(before).entries()) {
    const changed = lines[at] ?? ''
    if (changed !== line) hunks.push({ at: { before: at, after: at }, removed: [line], added: [changed] })
  }
  return printed({ from: file, file, hide: (line) => withoutUserinfo(redacted(bare(line))) }, hunks)
}

interface Printing {
  readonly from: string
  readonly file: string
  /** A line without its end and without secrets. */
  readonly hide: (line: string) => string
}

function printed({ from, file, hide: show }: Printing, hunks: readonly Hunk[]): string[] {
  if (hunks.length === 0) return []
  return [
    `--- ${from}`,
    `+++ ${file}`,
    ...hunks.flatMap(({ at, removed, added }) => [
      `@@ -${range(at.before, removed.length)} +${range(at.after, added.length)} @@`,
      ...removed.map((line) => `-${show(line)}`),
      ...added.map((line) => `+${show(line)}`),
    ]),
  ]
}

interface Hunk {
  readonly at: { readonly before: number; readonly after: number }
  readonly removed: string[]
  readonly added: string[]
}

/** Walk both sides; where they differ, look for the nearest lines at which they meet again. Edits here are few and small. */
function changes(before: readonly string[], after: readonly string[]): Hunk[] {
  const hunks: Hunk[] = []
  let [i, j] = [0, 0]
  while (i < before.length || j < after.length) {
    if (i < before.length && before[i] === after[j]) {
      i++
      j++
      continue
    }
    const [down, right] = meeting(before, after, i, j)
    hunks.push({ at: { before: i, after: j }, removed: before.slice(i, i + down), added: after.slice(j, j + right) })
    i += down
    j += right
  }
  return hunks
}

function meeting(before: readonly string[], after: readonly string[], i: number, j: number): [number, number] {
  const far = before.length - i + after.length - j
  for (let distance = 1; distance <= far; distance++) {
    for (let down = 0; down <= distance; down++) {
      const [x, y] = [i + down, j + distance - down]
      if (x <= before.length && y <= after.length && before[x] === after[y]) return [down, distance - down]
    }
  }
  return [before.length - i, after.length - j]
}

function range(at: number, count: number): string {
  return count === 1 ? `${at + 1}` : `${count === 0 ? at : at + 1},${count}`
}

const SECRET_VALUE = /(password\s+|_authToken\s*=\s*|_password\s*=\s*|_auth\s*=\s*|:\/\/[^/\s:@]*:(?=[^\s@]*@))[^\s@]+/g

function hide(line: string): string {
  return redacted(bare(line).replaceAll(SECRET_VALUE, '$1<secret>'))
}
