import { generateKeyPairSync, sign } from 'node:crypto'
import process from 'node:process'

import { fingerprintOf } from '../../protocols/nix/narinfo-rules.ts'
import type { PathEntry } from '../../protocols/nix/records.ts'
import { generateSecretKey, parseSecretKey } from '../../protocols/nix/signing.ts'
import { narStrings, sha256Nix32 } from '../helpers/nar.ts'
import { send } from './fill.ts'
import { limits, median, roundsOf } from './load.ts'
import { timed } from './nix-closure.ts'
import type { Row } from './run.ts'
import { runDepot, startDepot } from './servers.ts'

/** A run that is only to see that everything works has few. */
const STEPS = limits() === '' ? [5_000, 10_000, 20_000] : [50, 100, 200]
const AT_ONCE = 16
const ROUNDS = 5
/** What is asked for in one request, of which all, or all but a part, is there. */
const ASKED = STEPS[0] ?? 0

interface Step {
  readonly paths: number
  /** All in milliseconds; of those added since the step before, each. */
  readonly pushEach: number
  readonly listEach: number
  readonly missing: number
}

/** Many small paths: what one of them costs must not grow with how many are there. */
export async function smallPaths(dir: string): Promise<readonly Row[]> {
  await using depot = await startDepot(`${dir}/data`)
  const steps: Step[] = []
  let before = 0
  for (const paths of STEPS) {
    const seconds = await timed(() => pushRange(depot.url, before, paths))
    const pushEach = (seconds * 1000) / (paths - before)
    steps.push({ paths, pushEach, ...(await asked(depot.url, paths)) })
    before = paths
  }
  const [first, , last] = steps
  if (first === undefined || last === undefined) throw new Error('too few steps')
  const told = (figure: (step: Step) => string): string => steps.map(figure).join(', ')
  return [
    flat(
      `${number(STEPS.at(-1))} small paths pushed: ms a path`,
      told(({ pushEach }) => pushEach.toFixed(2)),
      first.pushEach,
      last.pushEach,
    ),
    flat(
      '`depot nix list` of all: ms a path',
      told(({ listEach }) => listEach.toFixed(3)),
      first.listEach,
      last.listEach,
    ),
    flat(
      `\`POST /nix/-/missing\` of ${number(ASKED)} paths: ms`,
      told(({ missing }) => missing.toFixed(0)),
      first.missing,
      last.missing,
    ),
  ]
}

function number(count = 0): string {
  return count.toLocaleString('en')
}

function flat(name: string, ours: string, first: number, last: number): Row {
  const ratio = first / last
  return { name, ours, peer: `at ${STEPS.map(number).join(', ')} paths`, ratio, target: '>= 0.8', met: ratio >= 0.8 }
}

async function asked(url: string, paths: number): Promise<Pick<Step, 'listEach' | 'missing'>> {
  const listing: number[] = []
  const asking: number[] = []
  const wanted = JSON.stringify(Array.from({ length: ASKED }, (_, index) => hashOf(index)))
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    listing.push(
      await timed(async () => {
        const listed = await runDepot(['nix', 'list', url])
        const count = listed.match(/-small/g)?.length
        if (count !== paths) throw new Error(`${count} of ${paths} paths are listed`)
      }),
    )
    asking.push(await timed(() => send(`${url}/nix/-/missing`, 'POST', wanted)))
  }
  return { listEach: (median(listing) * 1000) / paths, missing: median(asking) * 1000 }
}

/** By plain requests, several at once: the archive, then its narinfo, which refers to a path that was there long before. */
async function pushRange(url: string, from: number, to: number): Promise<void> {
  let next = from
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (next < to) await pushOne(url, next++)
    }),
  )
}

async function pushOne(url: string, index: number): Promise<void> {
  const archive = narStrings('nix-archive-1', '(', 'type', 'regular', 'contents', `content of ${index}\n`, ')')
  const narHash = sha256Nix32(archive)
  await send(`${url}/nix/nar/${narHash}.nar`, 'PUT', Uint8Array.from(archive))
  const narinfo = [
    `StorePath: /nix/store/${nameOf(index)}`,
    `URL: nar/${narHash}.nar`,
    'Compression: none',
    `NarHash: sha256:${narHash}`,
    `NarSize: ${archive.byteLength}`,
    `References: ${index < 2 * AT_ONCE ? '' : nameOf(index >> 1)}`,
    '',
  ]
  await send(`${url}/nix/${hashOf(index)}.narinfo`, 'PUT', narinfo.join('\n'))
}

function hashOf(index: number): string {
  return sha256Nix32(Buffer.from(`path ${index}`)).slice(0, 32)
}

function nameOf(index: number): string {
  return `${hashOf(index)}-small`
}

const SIGNED = 2_000

/** What each further key adds to a narinfo, in this process. */
export function signing(): Row {
  const key = parseSecretKey(generateSecretKey('bench-1'))
  const { privateKey } = generateKeyPairSync('ed25519')
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    theirs.push(microseconds((text) => sign(null, Buffer.from(text), privateKey)))
    ours.push(microseconds((text) => key.sign(text)))
  }
  const ratio = median(theirs) / median(ours)
  const each = median(ours)
  return {
    name: 'a signature, for each narinfo and key',
    ours: `${each.toFixed(0)} µs`,
    peer: `Ed25519 of Node ${median(theirs).toFixed(0)} µs`,
    ratio,
    target: '< 80 µs',
    met: each < 80,
  }
}

/** Of the processor, so that others on the machine do not count. */
function microseconds(work: (text: string) => unknown): number {
  const entries = Array.from({ length: SIGNED }, (_, index) => entryOf(index))
  const since = process.cpuUsage()
  for (const entry of entries) work(fingerprintOf(entry))
  const { user, system } = process.cpuUsage(since)
  return (user + system) / SIGNED
}

function entryOf(index: number): PathEntry {
  const references = Array.from({ length: 10 }, (_, other) => nameOf(other))
  return { baseName: nameOf(index), narHash: 'a'.repeat(64), narSizeBytes: index, references, signatures: [] }
}
