import { faultText, shakeHands, trustingFile, type Roots } from './certificates.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, type Finding } from './finding.ts'
import { shellWord } from './shell-word.ts'

/**
 * Whether a client trusts the depot's certificate by the roots that it goes by. Nothing for plain http.
 *
 * @param fix what makes it go by a file
 */
export async function judgeTrust(
  context: ClientContext,
  client: string,
  { roots, fix }: { readonly roots: Roots; readonly fix: (file: string) => string },
): Promise<readonly Finding[]> {
  if (context.url.protocol === 'http:') return []
  const { fault } = await shakeHands(context, roots.pem)
  if (fault === undefined) return [ok(`${client} trusts the certificate (${roots.from})`)]
  const file = await trustingFile(context)
  const message = `${client} does not trust the certificate: ${faultText(fault)} (its roots: ${roots.from})`
  if (file === undefined) return [fail(message, `${fix('ca.pem')}   (the certificate of its authority: see tls)`)]
  return [fail(message, fix(shellWord(file)))]
}
