import { z } from 'zod'

import { askDepot } from '../../../src/client/ask-depot.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { DepotError } from '../../../src/errors.ts'

const stateSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('missing') }),
  z.object({
    state: z.literal('here'),
    uploadTime: z.string(),
    yanked: z.union([z.boolean(), z.string()]),
    requiresPython: z.boolean(),
    provenance: z.string().optional(),
  }),
  z.object({ state: z.literal('other'), sha256: z.string(), file: z.string().optional() }),
  z.object({ state: z.literal('deleted') }),
  z.object({ state: z.literal('closed'), status: z.string() }),
  z.object({ state: z.literal('impossible') }),
])

/** What a depot has under the name of a file. */
export type DepotState = z.infer<typeof stateSchema>

/** A file that a depot has with the same bytes. */
export type FileHere = Extract<DepotState, { state: 'here' }>

/**
 * Ask a depot what it has of files, in one request; in their order.
 *
 * @throws DepotError what the depot says against it; `STORAGE_DOWN` when this is no depot's answer
 */
export async function askFiles(
  transfer: Transfer,
  files: readonly { readonly file: string; readonly sha256: string }[],
): Promise<readonly DepotState[]> {
  const about = { files: files.map(({ file, sha256 }) => ({ file, sha256 })) }
  const schema = z.object({ files: z.array(stateSchema).length(files.length) })
  const answer = await askDepot(transfer, { path: '/python/-/missing', accept: 'application/json', about }, schema)
  if (answer !== undefined) return answer.files
  throw new DepotError('STORAGE_DOWN', 'this is no depot, or one that is too old to be asked what it has')
}

/** Why a file cannot be brought in; undefined when it can be, or is there. */
export function refusalOf(state: DepotState): string | undefined {
  switch (state.state) {
    case 'missing':
    case 'here':
      return undefined
    case 'other':
      return state.file === undefined
        ? `the depot has another file of this name, with sha256 ${state.sha256}`
        : `the depot has it as ${state.file}, with sha256 ${state.sha256}: to installers these are one name`
    case 'deleted':
      return "the depot's file of this name was deleted, and the name stays taken: depot python forget frees it"
    case 'closed':
      return `the depot has the project ${state.status}: it takes no files`
    case 'impossible':
      return 'the depot takes no file of such a name'
  }
}
