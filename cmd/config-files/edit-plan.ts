import { DepotError } from '../../src/errors.ts'
import { diffLines } from './diff.ts'
import { applyEdit, holdsToken, undoEdit, withPrevious, type Edit } from './edits.ts'
import { editUserFile, readUserFile } from '../user-file.ts'

/** What will be done to one file. */
export interface FilePlan {
  readonly file: string
  readonly edits: readonly Edit[]
  /** Those of them that change something, with what they replace: what must be taken out again some day. */
  readonly made: readonly Edit[]
  readonly before: string
  /** With a stand-in for the token. */
  readonly after: string
}

/** Stands for a token that is not made yet. */
const STAND_IN = 'dpt_secret'

/**
 * Try edits on their files without writing anything.
 *
 * @throws DepotError naming the file, when it cannot be read or something in it is in the way
 */
export async function planEdits(edits: readonly Edit[]): Promise<readonly FilePlan[]> {
  const byFile = Map.groupBy(edits, ({ file }) => file)
  return Promise.all(
    [...byFile].map(async ([file, own]) => {
      const before = (await readUserFile(file)) ?? ''
      let after = before
      const made: Edit[] = []
      for (const edit of own) {
        const known = withPrevious(edit, after)
        const next = apply(known, after, STAND_IN)
        if (next !== after) made.push(known)
        after = next
      }
      return { file, edits: own, made, before, after }
    }),
  )
}

/** Do it, one file after the other. @throws DepotError naming the file */
export async function writePlan(plan: readonly FilePlan[], token: string): Promise<void> {
  for (const { file, edits } of plan) {
    const edit = (text: string): string => edits.reduce((before, each) => apply(each, before, token), text)
    await editUserFile(file, edit, { secret: edits.some(holdsToken) })
  }
}

/** What it would change, as `diff` shows it, without secrets. */
export function showPlan(plan: readonly FilePlan[]): string[] {
  return plan.flatMap(({ file, before, after }) => diffLines(file, before, after))
}

/** What it replaces and brings back some day: one sentence each. */
export function replacedBy(plan: readonly FilePlan[]): string[] {
  return plan.flatMap(({ file, made }) =>
    made.flatMap((edit) => ('previous' in edit ? [`${file}: ${edit.key} was ${edit.previous ?? ''}`] : [])),
  )
}

/** Take edits out of their files again, and tokens with these ids. @throws DepotError naming the file */
export async function undoEdits(edits: readonly Edit[], ids: ReadonlySet<string>): Promise<void> {
  for (const [file, own] of Map.groupBy(edits, (edit) => edit.file)) {
    if ((await readUserFile(file)) === undefined) continue
    const undo = (text: string): string => own.toReversed().reduce((before, edit) => undoEdit(edit, before, ids), text)
    await editUserFile(file, undo, { secret: false })
  }
}

function apply(edit: Edit, text: string, token: string): string {
  const after = applyEdit(edit, text, token)
  if (after === undefined) throw new DepotError('CONFLICT', `${edit.file}: ${IN_THE_WAY[edit.kind]}`)
  return after
}

const IN_THE_WAY: Readonly<Record<Edit['kind'], string>> = {
  netrc: 'it has an entry for this host that no depot made; remove it first',
  npmrc: 'it has credentials that no depot made where ours would stand; remove that line first',
  'pip-conf': 'its index has credentials, or several lines; remove it first',
  'uv-index': 'it is no TOML, has a default index already, or has its indexes on one line; mend that first',
  'nix-word': 'nothing can be added',
  'nix-value': 'nothing can be added',
}
