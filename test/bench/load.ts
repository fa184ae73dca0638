import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'

export interface Load {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  readonly headers?: Readonly<Record<string, string>>
  /** A file of paths, one a line, any of which is asked for each time in place of the URL's own. */
  readonly paths?: string
}

export interface LoadResult {
  readonly perSecond: number
  /** Bodies and headers, also of answers that were not whole at the end. */
  readonly bytesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers that were not 2xx or 3xx; a figure with any is no figure. */
  readonly failures: number
}

const SECONDS_MAX = setting('BENCH_SECONDS')
const ROUNDS_MAX = setting('BENCH_ROUNDS')

function setting(name: string): number {
  const text = process.env[name] ?? ''
  if (text !== '' && !/^[1-9]\d*$/.test(text)) throw new Error(`${name} is a whole number above 0, not ${text}`)
  return text === '' ? Infinity : Number(text)
}

/** What makes rounds shorter or fewer than they should be, or nothing. */
export function limits(): string {
  const seconds = SECONDS_MAX === Infinity ? [] : [`rounds of at most ${SECONDS_MAX} s`]
  return [...seconds, ...(ROUNDS_MAX === Infinity ? [] : [`at most ${ROUNDS_MAX} rounds`])].join(', ')
}

/** As many rounds as a section wants, or fewer where BENCH_ROUNDS says so. */
export function roundsOf(count: number): number {
  return Math.min(count, ROUNDS_MAX)
}

/** As many seconds as a section wants, or fewer where BENCH_SECONDS says so. */
export function secondsOf(count: number): number {
  return Math.min(count, SECONDS_MAX)
}

/** Drive one URL with wrk on one thread. */
export async function drive({ url, connections, seconds, headers = {}, paths }: Load): Promise<LoadResult> {
  const flags = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const script = paths === undefined ? [] : ['-s', ANY_PATH]
  const args = ['-t1', `-c${connections}`, `-d${secondsOf(seconds)}s`, '--latency', ...script, ...flags, url]
  const text = await output('wrk', paths === undefined ? args : [...args, '--', paths])
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? NaN),
    bytesPerSecond: bytes(/Transfer\/sec:\s+([\d.]+)(B|KB|MB|GB)/.exec(text)),
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(text)),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(text)),
    failures:
      Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0) +
      Number(/Socket errors: connect (\d+)/.exec(text)?.[1] ?? 0),
  }
}

const ANY_PATH = path.join(import.meta.dirname, 'any-path.lua')

/** wrk counts in powers of 1024. */
function bytes(match: RegExpExecArray | null): number {
  const unit = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 }[match?.[2] ?? ''] ?? NaN
  return Number(match?.[1] ?? NaN) * unit
}

function milliseconds(match: RegExpExecArray | null): number {
  const unit = { us: 0.001, ms: 1, s: 1000 }[match?.[2] ?? ''] ?? NaN
  return Number(match?.[1] ?? NaN) * unit
}

/** Run a program and return its standard output. @throws Error when it fails */
export async function output(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${program} ended with ${code}`)
  return text
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? NaN
}

/** Measure two things in turn, so that a drifting machine drifts for both, and compare their medians. */
export async function sideBySide(rounds: number, ours: () => Promise<LoadResult>, theirs: () => Promise<LoadResult>) {
  const mine: LoadResult[] = []
  const peer: LoadResult[] = []
  for (let round = 0; round < roundsOf(rounds); round++) {
    peer.push(await theirs())
    mine.push(await ours())
  }
  const failures = [...mine, ...peer].reduce((sum, result) => sum + result.failures, 0)
  if (failures > 0) throw new Error(`${failures} requests failed: this measures nothing`)
  const perSecond = median(mine.map((result) => result.perSecond))
  const peerPerSecond = median(peer.map((result) => result.perSecond))
  return {
    perSecond,
    peerPerSecond,
    ratio: perSecond / peerPerSecond,
    p99Ms: median(mine.map((result) => result.p99Ms)),
    peerP99Ms: median(peer.map((result) => result.p99Ms)),
  }
}

/** Drive some servers in turn, several times, and take the medians of each by its name. @throws Error when a request failed */
export async function inTurn(
  rounds: number,
  loads: Readonly<Record<string, Load>>,
): Promise<Readonly<Record<string, LoadResult>>> {
  const results = Object.keys(loads).map((name): readonly [string, LoadResult[]] => [name, []])
  for (let round = 0; round < roundsOf(rounds); round++)
    for (const [name, figures] of results) {
      const load = loads[name]
      if (load !== undefined) figures.push(await drive(load))
    }
  return Object.fromEntries(results.map(([name, figures]) => [name, medians(name, figures)]))
}

function medians(name: string, figures: readonly LoadResult[]): LoadResult {
  const failures = figures.reduce((sum, result) => sum + result.failures, 0)
  if (failures > 0) throw new Error(`${failures} requests to ${name} failed: this measures nothing`)
  const of = (field: keyof LoadResult): number => median(figures.map((result) => result[field]))
  return {
    perSecond: of('perSecond'),
    bytesPerSecond: of('bytesPerSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    failures,
  }
}

/** Run something for each of some things in turn, several times; returns the median of what came of each, by its name. */
export async function mediansInTurn<T>(
  rounds: number,
  things: Readonly<Record<string, T>>,
  run: (thing: T, name: string, round: number) => Promise<number>,
): Promise<Readonly<Record<string, number>>> {
  const all = Object.entries(things).map(([name, thing]) => ({ name, thing, figures: [] as number[] }))
  for (let round = 0; round < roundsOf(rounds); round++)
    for (const { name, thing, figures } of all) figures.push(await run(thing, name, round))
  return Object.fromEntries(all.map(({ name, figures }) => [name, median(figures)]))
}

/** Seconds that some work takes. */
export async function secondsFor(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now()
  await work()
  return (performance.now() - since) / 1000
}
