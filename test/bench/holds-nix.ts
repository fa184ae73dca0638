import { nixPaths, storeHashes } from '../helpers/many-records.ts'
import { nixUpload } from '../helpers/nix-upload.ts'
import { send } from './fill.ts'
import type { Row } from './run.ts'
import { held, statusOf, watched } from './watched.ts'

/** So many names of store paths as a narinfo has room for. */
const REFERENCES = 12_000

/** Paths with very many references, all of which must be there, uploaded and listed. */
export async function nixHolds(dir: string): Promise<readonly Row[]> {
  const needed = storeHashes('needed', REFERENCES)
  const listed = nixPaths(storeHashes('large', 60), storeHashes('below', 14_000))
  const records = [nixPaths(needed, storeHashes('below', 15)), listed]
  await using many = await watched(dir, records, ['--require-references'])
  const { url } = many.depot
  const references = needed.map((hash) => `${hash}-stored`).join(' ')
  const narinfo = async (round: number): Promise<string> => {
    const upload = await nixUpload(`of many ${round}`)
    await send(`${url}/nix/nar/${upload.fileName}`, 'PUT', Uint8Array.from(upload.body))
    const body = upload.narinfo({ References: references })
    return statusOf(fetch(`${url}/nix/${upload.storeHash}.narinfo`, { method: 'PUT', body }), 201)
  }
  const first = await nixUpload('of many 0')
  return [
    await held(many, 'a narinfo of 12,000 references', narinfo),
    await held(many, 'that narinfo, read', () => statusOf(fetch(`${url}/nix/${first.storeHash}.narinfo`), 200)),
    await held(many, 'a page of the list of paths of 14,000 references', () =>
      statusOf(fetch(`${url}/nix/-/paths?limit=1000`), 200),
    ),
  ]
}
