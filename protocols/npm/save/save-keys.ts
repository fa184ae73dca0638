import { failSaved, isRefusal } from '../../../src/client/fail-saved.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { savedText } from '../../../src/client/saved-files.ts'
import { LIMITS } from '../../../src/limits.ts'
import { SAVED_KEYS_PATH } from '../saved-paths.ts'
import type { Registry } from './registry.ts'
import { isMembers, type Members } from './upstream-packument.ts'

/**
 * Save the public keys of the registries that these packages came from. One registry's answer stays as it came; keys of others, and
 * those of an earlier save that are no longer told, stand behind it. A registry without any is fine.
 */
export async function saveKeys(
  { folder, download, report }: Pick<SaveRun, 'folder' | 'download' | 'report'>,
  registry: Registry,
  names: Iterable<string>,
): Promise<void> {
  const urls = new Map([...names].map((name) => [registry.keys(name).href, registry.keys(name)]))
  const answers: string[] = []
  for (const url of urls.values()) {
    try {
      const { status, text } = await download.ask({ url, accept: 'application/json', bytesMax: KEYS_BYTES_MAX })
      if (status !== 404 && keysOf(text) !== undefined) answers.push(text)
    } catch (error) {
      if (!isRefusal(error)) failSaved(report, `the public keys of ${url.host}`, error)
    }
  }
  if (answers.length === 0) return
  const file = await folder.find(SAVED_KEYS_PATH)
  const before = file === undefined ? '' : await savedText(file, KEYS_BYTES_MAX)
  const text = together(answers, before)
  if (text !== before) await folder.write(SAVED_KEYS_PATH, text)
}

const KEYS_BYTES_MAX = LIMITS.npmAttestationsBytesMax

function together(answers: readonly string[], before: string): string {
  const [first = ''] = answers
  const known = new Map((keysOf(first) ?? []).map((key) => [key['keyid'], key]))
  const told = known.size
  for (const text of [...answers.slice(1), before])
    for (const key of keysOf(text) ?? []) if (!known.has(key['keyid'])) known.set(key['keyid'], key)
  return known.size === told ? first : JSON.stringify({ keys: [...known.values()] })
}

function keysOf(text: string): readonly Members[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isMembers(value) && Array.isArray(value['keys']) ? value['keys'].filter(isMembers) : undefined
  } catch {
    return undefined
  }
}
