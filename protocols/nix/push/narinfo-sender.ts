import { z } from 'zod'

import type { PushRun } from '../../../src/client/runs.ts'
import { askDepot, notADepot } from '../../../src/client/ask-depot.ts'
import { failItem } from '../../../src/client/report.ts'
import { endsTransfer } from '../../../src/client/transfer-answer.ts'
import { DepotError, ERROR_STATUS } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { printNarinfo } from '../narinfo.ts'
import { nix32OfHex } from '../nix32.ts'
import { parseBaseName, printStorePath } from '../store-path.ts'

/** Sends narinfos in their order, many in one request, each once its archive is there. */
export interface NarinfoSender {
  /** The archive with this hash is in the depot, or, with the reason, will not be. */
  settle(narHash: string, failure?: unknown): void
  /** Send the rest. Every archive has been settled. @throws DepotError what ends a transfer */
  end(): Promise<void>
}

/** @param paths all of them, references before what refers to them */
export function narinfoSender(run: Pick<PushRun, 'transfer' | 'report'>, paths: readonly PathFacts[]): NarinfoSender {
  const settled = new Map<string, { readonly failure?: unknown }>()
  let next = 0
  let ready: PathFacts[] = []
  let sending: Promise<void> | undefined

  /** One request behind the other, because what the next ones refer to may be in this one; each with all that is ready by then. */
  async function sendReady(): Promise<void> {
    while (ready.length > 0) {
      const batch = ready
      ready = []
      await sendNarinfos(run, batch)
    }
  }

  return {
    settle(narHash, failure) {
      settled.set(narHash, failure === undefined ? {} : { failure })
      for (let facts = paths[next]; facts !== undefined; facts = paths[++next]) {
        const archive = settled.get(facts.narHash)
        if (archive === undefined) break
        if (archive.failure === undefined) ready.push(facts)
        else failItem(run.report, printStorePath(facts.baseName), archive.failure)
      }
      if (sending !== undefined || ready.length === 0) return
      sending = sendReady()
      sending.then(
        () => (sending = undefined),
        // Whoever waits for the end hears of it.
        () => {},
      )
    },
    async end() {
      await sending
      await sendReady()
    },
  }
}

async function sendNarinfos(run: Pick<PushRun, 'transfer' | 'report'>, paths: readonly PathFacts[]): Promise<void> {
  let batch: Batched[] = []
  let characters = 0
  for (const facts of paths) {
    const text = narinfoOf(facts)
    // As JSON each line end takes a character more, and nothing else in it does.
    const room = text.length + text.split('\n').length + JSON_ROOM
    if (batch.length === LIMITS.manyNarinfosMax || characters + room > LIMITS.manyNarinfosBytesMax) {
      await sendBatch(run, batch)
      batch = []
      characters = 0
    }
    batch.push({ facts, text })
    characters += room
  }
  if (batch.length > 0) await sendBatch(run, batch)
}

const JSON_ROOM = 8

const TOLD = z.object({
  paths: z.array(
    z.object({
      result: z.enum(['created', 'unchanged', 'refused']),
      code: z.string().optional(),
      error: z.string().optional(),
    }),
  ),
})

interface Batched {
  readonly facts: PathFacts
  readonly text: string
}

async function sendBatch(run: Pick<PushRun, 'transfer' | 'report'>, batch: readonly Batched[]): Promise<void> {
  const told = await ask(run, batch).catch((error: unknown) => {
    if (endsTransfer(error) || !(error instanceof DepotError)) throw error
    return error
  })
  if (!(told instanceof DepotError)) return report(run, batch, told)
  const [first] = batch
  if (batch.length === 1 && first !== undefined) return failItem(run.report, printStorePath(first.facts.baseName), told)
  // One of them is refused, or a proxy on the way takes less at once.
  await sendBatch(run, batch.slice(0, batch.length >> 1))
  await sendBatch(run, batch.slice(batch.length >> 1))
}

async function ask({ transfer }: Pick<PushRun, 'transfer'>, batch: readonly Batched[]): Promise<z.infer<typeof TOLD>> {
  const about = batch.map(({ text }) => text)
  const told = await askDepot(transfer, { path: '/nix/-/narinfos', accept: 'application/json', about }, TOLD)
  if (told?.paths.length !== batch.length) throw notADepot()
  return told
}

function report(run: Pick<PushRun, 'report'>, batch: readonly Batched[], { paths }: z.infer<typeof TOLD>): void {
  for (const [index, { facts }] of batch.entries()) {
    const item = printStorePath(facts.baseName)
    const { result, code = '', error = 'the depot refuses it' } = paths[index] ?? { result: 'refused' }
    if (result === 'created') run.report.add({ item, result: 'done', sizeBytes: facts.narSizeBytes })
    else if (result === 'unchanged') run.report.add({ item, result: 'there' })
    else failItem(run.report, item, new DepotError(isErrorCode(code) ? code : 'BAD_REQUEST', error))
  }
}

function isErrorCode(text: string): text is keyof typeof ERROR_STATUS {
  return Object.hasOwn(ERROR_STATUS, text)
}

/** It names the archive as every depot has it, whatever it was sent as. */
function narinfoOf({ baseName, narHash, narSizeBytes, references, signatures, deriver, ca }: PathFacts): string {
  const storePath = parseBaseName(baseName)
  if (storePath === undefined) throw new Error(`a path named ${JSON.stringify(baseName)}`)
  return printNarinfo({
    storePath,
    url: `nar/${nix32OfHex(narHash)}.nar`,
    compression: 'none',
    narHash,
    narSizeBytes,
    references,
    signatures: signatures.slice(0, LIMITS.narinfoSignaturesMax),
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
  })
}
