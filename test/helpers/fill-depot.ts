import { nixUpload } from './nix-upload.ts'
import { npmClient, npmrcLine, publishFrom } from './npm-client.ts'
import { uploadForm } from './python-upload.ts'
import { buildWheel } from './wheel.ts'

/** The wheel that `fillDepot` uploads; its module's VALUE is `hello`. */
export const GREETING_WHEEL = buildWheel({ name: 'greeting', version: '1.0', value: 'hello' })

/**
 * Put one package of each ecosystem into a depot, all called `greeting`: a store path, a file that says hello; an npm package 1.0.0; a
 * wheel. Returns the store path.
 *
 * @param url of the depot, without a slash at its end
 * @param token that may write everything
 */
export async function fillDepot(url: string, token: string): Promise<string> {
  const registry = `${url}/npm/`
  await using npm = await npmClient('npm', registry, [npmrcLine(registry, '_authToken', token)])
  await publishFrom(npm, { name: 'greeting', version: '1.0.0' })
  const send = async (method: string, path: string, body: Buffer | string, type = 'text/plain') => {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': type }
    const bytes = typeof body === 'string' ? body : Uint8Array.from(body)
    const answer = await fetch(url + path, { method, headers, body: bytes })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  }
  const { contentType, body } = uploadForm(GREETING_WHEEL)
  await send('POST', '/python/legacy/', body, contentType)
  const upload = await nixUpload('hello', { name: 'greeting' })
  await send('PUT', `/nix/nar/${upload.fileName}`, upload.body)
  await send('PUT', `/nix/${upload.storeHash}.narinfo`, upload.narinfo())
  return `/nix/store/${upload.storeHash}-greeting`
}
