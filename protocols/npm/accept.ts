/** The two forms of a packument: whole, or what an installer needs (`application/vnd.npm.install-v1+json`). */
export type Form = 'full' | 'abbreviated'

/** Content codings that packuments are kept in; '' is none. */
export type Coding = '' | 'gzip' | 'zstd'

export const ABBREVIATED_TYPE = 'application/vnd.npm.install-v1+json'
export const FULL_TYPE = 'application/json'

/** The form that an Accept header asks for. Full unless the abbreviated one is named and not ranked below it (RFC 9110 §12.5.1). */
export function chooseForm(accept: string | null | undefined): Form {
  // `npm install` sends plain application/json: no weighing for it.
  if (!accept?.includes(ABBREVIATED_TYPE)) return 'full'
  const weights = weigh(accept)
  const abbreviated = weights.get(ABBREVIATED_TYPE) ?? 0
  return abbreviated > 0 && abbreviated >= (weights.get(FULL_TYPE) ?? 0) ? 'abbreviated' : 'full'
}

/** The smallest coding that an Accept-Encoding header allows. */
export function chooseCoding(acceptEncoding: string | null | undefined): Coding {
  if (acceptEncoding === null || acceptEncoding === undefined) return ''
  const weights = weigh(acceptEncoding)
  if ((weights.get('zstd') ?? 0) > 0) return 'zstd'
  return (weights.get('gzip') ?? 0) > 0 ? 'gzip' : ''
}

/** Each item of a list header and its q-value; 1 without one, 0 for one that is malformed. */
function weigh(header: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const item of header.split(',')) {
    const [name = '', ...parameters] = item.split(';')
    weights.set(name.trim().toLowerCase(), quality(parameters))
  }
  return weights
}

const Q_VALUE = /^\s*q=(?<q>[01](?:\.\d{0,3})?)\s*$/i

function quality(parameters: readonly string[]): number {
  const parameter = parameters.find((text) => text.trimStart().toLowerCase().startsWith('q='))
  if (parameter === undefined) return 1
  const q = Q_VALUE.exec(parameter)?.groups?.['q']
  return q === undefined ? 0 : Math.min(Number(q), 1)
}
