import { drive, type Load, type LoadResult, median, roundsOf } from './load.ts'
import type { Row } from './report.ts'

const ROUNDS = 3

/** How many refusals a depot gives beside answers of its own, in turn: what says no must not cost more than what says yes. */
export async function refusalRow(name: string, refused: Load, answered: Load): Promise<Row> {
  const no: LoadResult[] = []
  const yes: LoadResult[] = []
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    yes.push(await drive(answered))
    no.push(await drive(refused))
  }
  const failed = [...yes.map(({ failures }) => failures > 0), ...no.map(({ failures }) => failures === 0)]
  if (failed.includes(true)) throw new Error(`${name}: not everything was answered as it should be`)
  const [ours, theirs] = [no, yes].map((results) => median(results.map(({ perSecond }) => perSecond)))
  const ratio = (ours ?? NaN) / (theirs ?? NaN)
  const p99Ms = median(no.map((result) => result.p99Ms))
  return {
    name,
    ours: `${ours?.toFixed(0)}/s, p99 ${p99Ms.toFixed(1)} ms`,
    peer: `narinfo GET ${theirs?.toFixed(0)}/s`,
    ratio,
    target: '>= 0.8',
    met: ratio >= 0.8,
  }
}
