import { promisify } from 'node:util'
import { zstdCompress } from 'node:zlib'

import { z } from 'zod'

import { notADepot, readDepotAnswer } from '../../../src/client/ask-depot.ts'
import { inParallel } from '../../../src/client/in-parallel.ts'
import type { PushRun } from '../../../src/client/runs.ts'
import { endsTransfer } from '../../../src/client/transfer-answer.ts'
import type { TransferRequest } from '../../../src/client/transfer.ts'
import { writeZstd } from '../../../src/codec/zstd-writer.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { narLength } from '../nar-format.ts'
import { nix32OfHex } from '../nix32.ts'
import type { ArchiveUnit } from './archive-units.ts'
import type { NarinfoSender } from './narinfo-sender.ts'
import type { PushSource } from './push-source.ts'

export interface ArchiveSending {
  readonly run: Pick<PushRun, 'transfer' | 'report'>
  readonly source: PushSource
  /** Compress on the way. */
  readonly compress: boolean
  /** Is told what became of each archive. */
  readonly narinfos: Pick<NarinfoSender, 'settle'>
}

/** Send archives, some requests at once. What concerns one of them alone is told to `narinfos`. @throws DepotError what ends a transfer */
export async function sendArchives(sending: ArchiveSending, units: readonly ArchiveUnit[]): Promise<void> {
  await inParallel(units, LIMITS.transferAtOnce, async ({ paths, together }) => {
    if (together) await sendTogether(sending, paths)
    else for (const facts of paths) await sendAlone(sending, facts)
  })
}

/** @throws the error when it is not about one archive alone */
function ofOne(error: unknown): DepotError {
  if (endsTransfer(error) || !(error instanceof DepotError)) throw error
  return error
}

interface Read {
  readonly facts: PathFacts
  readonly nar: Uint8Array
}

async function sendTogether(sending: ArchiveSending, paths: readonly PathFacts[]): Promise<void> {
  const { run, source, narinfos } = sending
  const read: Read[] = []
  for (const facts of paths) {
    const nar = await whole(source.nar(facts)).catch(ofOne)
    if (nar instanceof DepotError) narinfos.settle(facts.narHash, nar)
    else read.push({ facts, nar })
  }
  if (read.length === 0) return
  // A refusal is of one of them, or of a proxy on the way that takes less at once.
  const refused = (await postAll(sending, read).catch(ofOne)) !== undefined
  for (const { facts } of read) {
    if (refused) {
      await sendAlone(sending, facts)
      continue
    }
    run.report.moved(facts.narSizeBytes)
    narinfos.settle(facts.narHash)
  }
}

async function whole(nar: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  // A piece is valid until the next one is asked for.
  return Buffer.concat(await Array.fromAsync(nar, (piece) => Buffer.from(piece)))
}

const compressAll = promisify(zstdCompress)
const STORED = z.object({ archives: z.array(z.string()) })

async function postAll({ run, compress }: ArchiveSending, read: readonly Read[]): Promise<undefined> {
  const plain = Buffer.concat(read.flatMap(({ nar }) => [narLength(nar.byteLength), nar]))
  const body = new Blob([compress ? await compressAll(plain) : plain])
  const text = await run.transfer.send({
    method: 'POST',
    path: '/nix/-/nars',
    contentType: 'application/x-nix-nar',
    ...(compress ? { contentEncoding: 'zstd' } : {}),
    body: () => body,
  })
  const { archives } = readDepotAnswer(text, STORED)
  if (archives.join() !== read.map(({ facts }) => `sha256:${nix32OfHex(facts.narHash)}`).join()) throw notADepot()
}

async function sendAlone(sending: ArchiveSending, facts: PathFacts): Promise<void> {
  const failure = await requestFor(sending, facts)
    .then((request) => sending.run.transfer.send(request))
    .then(() => undefined)
    .catch(ofOne)
  sending.narinfos.settle(facts.narHash, failure)
}

async function requestFor({ run, source, compress }: ArchiveSending, facts: PathFacts): Promise<TransferRequest> {
  const packed = await source.packed?.(facts)
  if (packed !== undefined) {
    const blob = await packed.blob()
    return { method: 'PUT', path: `/nix/${packed.path}`, body: () => counted(blob.stream(), run) }
  }
  const path = `/nix/nar/${nix32OfHex(facts.narHash)}.nar` as const
  const content = (): AsyncIterable<Uint8Array> => counted(source.nar(facts), run)
  return compress
    ? { method: 'PUT', path: `${path}.zst`, body: () => writeZstd(content()) }
    : { method: 'PUT', path, body: content }
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  { report }: Pick<PushRun, 'report'>,
): AsyncGenerator<Uint8Array> {
  for await (const piece of bytes) {
    report.moved(piece.byteLength)
    yield piece
  }
}
