import { remembered, weightsOf } from '../../src/http/negotiate.ts'

/** A representation of a simple page: its media type decides the Content-Type, its format the bytes. */
export type PageType = 'json' | 'html' | 'text-html'

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
  const weights = weightsOf(accept)
  let best: { type: PageType; weight: number } = { type: 'text-html', weight: 0 }
  for (const { type, media } of OFFERS) {
    const named = media.map((name) => weights.get(name)).find((value) => value !== undefined)
    const weight = named ?? wildcardWeight(weights, type)
    if (weight > best.weight) best = { type, weight }
  }
  return best.type
})

/** A wildcard stands for `text/html` alone, so that a plain `curl` shows a page. */
function wildcardWeight(weights: ReadonlyMap<string, number>, type: PageType): number {
  if (type !== 'text-html') return 0
  return weights.get('text/*') ?? weights.get('*/*') ?? 0
}
