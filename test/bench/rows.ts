import type { LoadResult } from './load.ts'
import type { Row } from './report.ts'
import { memoryOfAll } from './servers.ts'

/** As fast as the fastest: what two runs of one client on one server differ by is left to chance. */
export const EQUAL = 0.95

/** What is aimed at beside one peer. */
export interface Aim {
  /** So many times as fast as the peer. */
  readonly ratio: number
  /** In milliseconds, at most. */
  readonly p99Ms?: number
}

export interface Compared {
  readonly name: string
  readonly ours: LoadResult
  /** By their names. */
  readonly peers: Readonly<Record<string, LoadResult>>
  /** By the names of peers; beside the others the figure is only told. */
  readonly aims: Readonly<Record<string, Aim>>
}

/** One row for each peer that the depot stood beside in the same rounds. */
export function rateRows({ name, ours, peers, aims }: Compared): readonly Row[] {
  return Object.entries(peers).map(([peer, theirs]) => {
    const ratio = theirs.perSecond > 0 ? ours.perSecond / theirs.perSecond : undefined
    const aim = aims[peer]
    const met = aim === undefined || (ratio !== undefined && ratio >= aim.ratio && ours.p99Ms < (aim.p99Ms ?? Infinity))
    return { name, ours: rate(ours), peer: `${peer} ${rate(theirs)}`, ratio, target: aimText(aim), met }
  })
}

/** A rate as it stands in the tables: whole answers, of which a slow server has parts. */
export function rate({ perSecond, p99Ms }: LoadResult): string {
  return `${perSecond.toFixed(perSecond < 100 ? 1 : 0)}/s, p99 ${p99Ms.toFixed(1)} ms`
}

function aimText(aim: Aim | undefined): string {
  if (aim === undefined) return ''
  return `>= ${aim.ratio}${aim.p99Ms === undefined ? '' : `, p99 < ${aim.p99Ms} ms`}`
}

/** Seconds that something took, one row for each peer; aimed at is to be as fast as each of them, or so many times as fast. */
export function timeRows(
  name: string,
  ours: number,
  peers: Readonly<Record<string, number>>,
  aims: Readonly<Record<string, number>>,
): readonly Row[] {
  return Object.entries(peers).map(([peer, theirs]) => {
    const ratio = theirs / ours
    const aim = aims[peer]
    const target = aim === undefined ? '' : `>= ${aim}`
    const met = aim === undefined || ratio >= aim
    return { name, ours: `${ours.toFixed(2)} s`, peer: `${peer} ${theirs.toFixed(2)} s`, ratio, target, met }
  })
}

/** Resident memory of the depot and of its peers, by their process numbers, with all processes that they started: what is left after a section. */
export function memoryRows(depot: number, peers: Readonly<Record<string, number>>): readonly Row[] {
  const ours = memoryOfAll(depot)
  return Object.entries(peers).map(([peer, pid]) => {
    const theirs = memoryOfAll(pid)
    return {
      name: 'resident memory after that',
      ours: `${ours.toFixed(0)} MB`,
      peer: `${peer} ${theirs.toFixed(0)} MB`,
      ratio: theirs / ours,
      target: '',
      met: true,
    }
  })
}
