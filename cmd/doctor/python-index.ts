import { z } from 'zod'

import { PUBLIC_INDEX } from '../../protocols/python/save/index-client.ts'
import { depotKey } from '../client/depot-url.ts'
import { pythonAuthorization, withoutName } from '../python/settings.ts'
import { pythonIndex } from '../token/formats.ts'
import { netrcFile } from '../use/edits.ts'
import { asText, readUserFile } from '../user-file.ts'
import { jsonOf, type Answer } from './ask.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, skip, type Finding } from './finding.ts'

/** Whether an address, as a setting has it, is the depot's index: also under its shorter path. */
export function isDepotIndex(url: URL, text: string): boolean {
  const address = URL.parse(withoutName(text))
  if (address === null) return false
  const plain = `${address.origin}${address.pathname}`.replace(/\/*$/, '/')
  return plain === pythonIndex(url) || plain === `${depotKey(url)}/python/`
}

/** Whether an address is the index that everybody may upload to. */
export function isPublicIndex(text: string): boolean {
  return URL.parse(text.trim())?.host === new URL(PUBLIC_INDEX).host
}

/** An address without the password that may be in it. */
export function bareAddress(text: string): string {
  const url = URL.parse(withoutName(text))
  return url === null ? text.trim() : `${url.origin}${url.pathname}`
}

/** Ask for the index as pip and uv do: with the credentials of its address, or of the netrc. */
export async function judgeIndex(
  { url, env, silence, ask, use: useOf }: ClientContext,
  client: 'pip' | 'uv',
  index: string | undefined,
): Promise<readonly Finding[]> {
  if ((await silence()) !== undefined) return [skip('no depot answers')]
  const named = URL.parse(withoutName(index ?? '')) ?? new URL(pythonIndex(url))
  const file = netrcFile(env)
  const netrc = asText((await readUserFile(file).catch(() => undefined)) ?? '')
  const authorization = pythonAuthorization([named], netrc)(new URL(pythonIndex(url)))
  const accept = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01'
  // A name that nobody has: a list of all names is not for everybody who may install.
  const page = await ask('/python/simple/depot-doctor/', {
    accept,
    ...(authorization === undefined ? {} : { authorization }),
  })
  const use = useOf(client)
  if (page.status === 401) return [fail(`reading needs credentials, and ${client} has no good ones in ${file}`, use)]
  if (authorization !== undefined && !readsPython(await ask('/-/session', { authorization })))
    return [fail(`the credentials that ${client} has in ${file} are not for Python`, use)]
  const type = (page.headers['content-type'] ?? '').replace(/;.*$/, '')
  if (page.status === 404 || (page.status === 200 && accept.includes(type)))
    return [ok(`${pythonIndex(url)} lets ${client} in`)]
  return [fail(`${pythonIndex(url)} answers ${client} with ${page.status}, ${type}`, `curl -v ${pythonIndex(url)}`)]
}

const SESSION = z.object({ grants: z.array(z.string()) })

/** A name that one may not read is answered as one that is not there: only the grants tell. */
function readsPython(answer: Answer): boolean {
  if (answer.status !== 200) return true
  return jsonOf(answer, SESSION)?.grants.some((grant) => /^(?:python|\*):/.test(grant)) ?? true
}
