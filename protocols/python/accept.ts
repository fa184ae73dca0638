/** A representation of a simple page: its media type decides the Content-Type, its format the bytes. */
export type PageType = 'json' | 'html' | 'text-html'
export type Coding = '' | 'gzip' | 'zstd'

/** In the order in which we prefer them when a client names several alike. */
const OFFERS: readonly { readonly type: PageType; readonly media: readonly string[] }[] = [
  { type: 'json', media: ['application/vnd.pypi.simple.v1+json', 'application/vnd.pypi.simple.latest+json'] },
  { type: 'html', media: ['application/vnd.pypi.simple.v1+html', 'application/vnd.pypi.simple.latest+html'] },
  { type: 'text-html', media: ['text/html'] },
]

/**
 * Which form of a page the `Accept` header asks for (PEP 691, RFC 9110 §12.5.1). Without one, and for `*` alone, `text/html`:
 * that is what the oldest clients read. Nothing acceptable gives `text/html` too, as on PyPI, and never a 406.
 */
export const choosePageType = remembered((accept = ''): PageType => {
  const qualities = parseQualities(accept)
  let best: { type: PageType; quality: number } = { type: 'text-html', quality: 0 }
  for (const { type, media } of OFFERS) {
    const named = media.map((name) => qualities.get(name)).find((value) => value !== undefined)
    const quality = named ?? wildcardQuality(qualities, type)
    if (quality > best.quality) best = { type, quality }
  }
  return best.type
})

/** A wildcard stands for `text/html` alone, so that a plain `curl` shows a page. */
function wildcardQuality(qualities: ReadonlyMap<string, number>, type: PageType): number {
  if (type !== 'text-html') return 0
  return qualities.get('text/*') ?? qualities.get('*/*') ?? 0
}

/** The smallest content coding that the `Accept-Encoding` header takes, or none. */
export const chooseCoding = remembered((acceptEncoding = ''): Coding => {
  const qualities = parseQualities(acceptEncoding)
  const zstd = qualities.get('zstd') ?? 0
  const gzip = qualities.get('gzip') ?? qualities.get('x-gzip') ?? 0
  if (zstd > 0 && zstd >= gzip) return 'zstd'
  return gzip > 0 ? 'gzip' : ''
})

const WEIGHT = /^q=(?<value>0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/

/** `a;q=0.5, b` as name to weight; a weight that is malformed counts as 1. */
function parseQualities(header: string): ReadonlyMap<string, number> {
  const qualities = new Map<string, number>()
  for (const item of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim())
    if (name === '') continue
    const weight = parameters
      .map((parameter) => WEIGHT.exec(parameter)?.groups?.['value'])
      .find((value) => value !== undefined)
    qualities.set(name, weight === undefined ? 1 : Number(weight))
  }
  return qualities
}

const REMEMBERED_MAX = 64

/** Clients of one kind send one header for ever: a handful of answers saves the grammar on every request. */
function remembered<T>(choose: (header: string | undefined) => T): (header: string | undefined) => T {
  const known = new Map<string | undefined, T>()
  return (header) => {
    const before = known.get(header)
    if (before !== undefined) return before
    const chosen = choose(header)
    if (known.size < REMEMBERED_MAX) known.set(header, chosen)
    return chosen
  }
}
