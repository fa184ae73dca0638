import { weightsOf } from '../../src/http/negotiate.ts'

/** The two forms of a packument: whole, or what an installer needs (`application/vnd.npm.install-v1+json`). */
export type Form = 'full' | 'abbreviated'

export const ABBREVIATED_TYPE = 'application/vnd.npm.install-v1+json'
export const FULL_TYPE = 'application/json'

/** The form that an Accept header asks for. Full unless the abbreviated one is named and not ranked below it (RFC 9110 §12.5.1). */
export function chooseForm(accept: string | null | undefined): Form {
  // `npm install` sends plain application/json: no weighing for it.
  if (!accept?.includes(ABBREVIATED_TYPE)) return 'full'
  const weights = weightsOf(accept)
  const abbreviated = weights.get(ABBREVIATED_TYPE) ?? 0
  return abbreviated > 0 && abbreviated >= (weights.get(FULL_TYPE) ?? 0) ? 'abbreviated' : 'full'
}
