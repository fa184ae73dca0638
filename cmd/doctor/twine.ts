import path from 'node:path'

import { getIni, PIP_CONF } from '../config-files/ini.ts'
import { below } from '../client/depot-url.ts'
import { homeOf } from '../environment.ts'
import { asText, readUserFile } from '../user-file.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, skip, type Finding } from './finding.ts'
import { shellWord } from './shell-word.ts'

/** Where uploads go: twine's .pypirc, and the variables of twine and uv. */
export async function checkUploads({ url, env }: ClientContext): Promise<readonly Finding[]> {
  const file = path.join(homeOf(env), '.pypirc')
  const text = asText((await readUserFile(file)) ?? '')
  const said = [...pypircRepositories(text).map((address) => ({ address, from: file })), ...variables(env)]
  const ours = said.filter(({ address }) => URL.parse(address)?.host === url.host)
  if (ours.length === 0) return [skip('neither .pypirc nor a variable names the depot')]
  const legacy = below(url, '/python/legacy/').href
  const good = [legacy, below(url, '/python/simple/').href, below(url, '/python/').href]
  return ours.map(({ address, from }) =>
    good.includes(address.replace(/\/*$/, '/'))
      ? ok(`${from} uploads to ${address}`)
      : fail(
          `${from} uploads to ${address}, where no uploads are taken`,
          from === file
            ? `sed -i ${shellWord(`s|${address}|${legacy}|`)} ${shellWord(file)}`
            : `export ${from}=${legacy}`,
        ),
  )
}

/** The addresses that a .pypirc names. Pure. */
export function pypircRepositories(text: string): readonly string[] {
  const sections = [...text.matchAll(/^\s*\[(?<name>[^\]]+)\]/gm)].map(({ groups }) => groups?.['name'] ?? '')
  return sections.flatMap((section) => getIni(text, { section, key: 'repository' }, PIP_CONF) ?? [])
}

function variables(env: ClientContext['env']): readonly { readonly address: string; readonly from: string }[] {
  return ['TWINE_REPOSITORY_URL', 'UV_PUBLISH_URL'].flatMap((from) => {
    const address = env[from] ?? ''
    return address === '' ? [] : [{ address, from }]
  })
}
