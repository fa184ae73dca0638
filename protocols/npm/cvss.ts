/**
 * The base score of a CVSS 3.0 or 3.1 vector (specification §7.1), 0 to 10, or undefined for anything else. CVSS 4 has no formula but a
 * table of thousands of rows.
 */
export function cvssScore(vector: string): number | undefined {
  if (!VECTOR.test(vector)) return undefined
  const metrics = new Map(vector.split('/').map((part) => part.split(':') as [string, string]))
  const changed = metrics.get('S') === 'C'
  const weight = (metric: string, table: Readonly<Record<string, number>>): number =>
    table[metrics.get(metric) ?? ''] ?? NaN
  const impactBase = 1 - (1 - weight('C', IMPACT)) * (1 - weight('I', IMPACT)) * (1 - weight('A', IMPACT))
  const impact = changed ? 7.52 * (impactBase - 0.029) - 3.25 * (impactBase - 0.02) ** 15 : 6.42 * impactBase
  const privileges = weight('PR', changed ? PRIVILEGES_CHANGED : PRIVILEGES)
  const exploitability =
    8.22 * weight('AV', VECTORS) * weight('AC', COMPLEXITY) * privileges * weight('UI', INTERACTION)
  if (Number.isNaN(impact + exploitability)) return undefined
  if (impact <= 0) return 0
  return roundedUp(Math.min((changed ? 1.08 : 1) * (impact + exploitability), 10))
}

const VECTOR = /^CVSS:3\.[01](?:\/[A-Z]{1,3}:[A-Z]){8,30}$/
const IMPACT = { H: 0.56, L: 0.22, N: 0 }
const VECTORS = { N: 0.85, A: 0.62, L: 0.55, P: 0.2 }
const COMPLEXITY = { L: 0.77, H: 0.44 }
const PRIVILEGES = { N: 0.85, L: 0.62, H: 0.27 }
const PRIVILEGES_CHANGED = { N: 0.85, L: 0.68, H: 0.5 }
const INTERACTION = { N: 0.85, R: 0.62 }

/** To one decimal, in whole numbers (appendix A of CVSS 3.1): floating point has 4.02 become 4.1 elsewhere. */
function roundedUp(value: number): number {
  const whole = Math.round(value * 100_000)
  return whole % 10_000 === 0 ? whole / 100_000 : (Math.floor(whole / 10_000) + 1) / 10
}

export type Severity = 'info' | 'low' | 'moderate' | 'high' | 'critical'

/** The word for a score (§5). */
export function severityOf(score: number): Severity {
  if (score === 0) return 'info'
  if (score < 4) return 'low'
  if (score < 7) return 'moderate'
  return score < 9 ? 'high' : 'critical'
}
