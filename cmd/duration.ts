import { UsageError } from './cli.ts'

/**
 * Read how long something is good: `30d`, `12h`, `90m`, or until a day, `2026-12-31` (its beginning, UTC).
 *
 * @param nowMs milliseconds since 1970
 * @returns whole seconds, at least one
 * @throws UsageError naming the flag
 */
export function parseDuration(flag: string, text: string, nowMs: number): number {
  const groups = DURATION.exec(text)?.groups
  const unit = groups?.['unit']
  const seconds =
    groups === undefined
      ? NaN
      : unit === undefined
        ? Math.floor((dayStart(groups['day'] ?? '') - nowMs) / 1000)
        : Number(groups['count']) * (SECONDS[unit] ?? NaN)
  if (Number.isNaN(seconds)) throw new UsageError(`${flag} takes 30d, 12h, 90m or a day like 2026-12-31, not '${text}'`)
  if (seconds < 1) throw new UsageError(`${flag} ${text} is over already`)
  return seconds
}

const DURATION = /^(?:(?<count>\d{1,6})(?<unit>[dhm])|(?<day>\d{4}-\d{2}-\d{2}))$/
const SECONDS: Readonly<Record<string, number>> = { d: 86_400, h: 3600, m: 60 }

/** NaN for a day that is in no calendar: JavaScript takes the 31st of February for one in March. */
function dayStart(day: string): number {
  const ms = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day) ? ms : NaN
}
