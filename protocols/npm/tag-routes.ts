import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { moveTag } from './move-tag.ts'
import { parsePackageName } from './package-name.ts'
import { requirePackage } from './packages.ts'
import { tagsOf } from './packument.ts'
import { parseTag, parseVersion } from './version.ts'
import { writeLivePackage } from './write-package.ts'

/** `npm dist-tag add` and `rm`; what `ls` reads is one of the packument's routes. */
export function tagRoutes(depot: Depot): readonly Route[] {
  const pattern = '/-/package/:name/dist-tags/:tag'
  const params = { name: parsePackageName, tag: parseTag }
  const resource = ({ name }: { readonly name: string }): string => name
  return [
    route({
      method: 'GET',
      pattern,
      params,
      action: 'read',
      resource,
      handle: async (request) =>
        jsonResponse(200, await taggedVersion(depot, request), { 'Cache-Control': 'no-cache' }),
    }),
    route({ method: 'PUT', pattern, params, action: 'write', resource, handle: (request) => putTag(depot, request) }),
    route({
      method: 'DELETE',
      pattern,
      params,
      action: 'write',
      resource,
      handle: (request) => deleteTag(depot, request),
    }),
  ]
}

type TagRequest = DepotRequest<{ name: string; tag: string }>

/** @throws DepotError `NOT_FOUND` */
async function taggedVersion(depot: Depot, { cache, params: { name, tag } }: TagRequest): Promise<string> {
  const tags = tagsOf((await requirePackage(depot, cache, name)).record)
  const version = Object.hasOwn(tags, tag) ? tags[tag] : undefined
  if (version === undefined) throw new DepotError('NOT_FOUND', `${name} has no dist-tag ${tag}`)
  return version
}

/** The body is the version, a JSON string. */
async function putTag(depot: Depot, request: TagRequest): Promise<Response> {
  const { name, tag } = request.params
  const body = await readJson(request, LIMITS.npmKeyBytesMax)
  const version = typeof body === 'string' ? parseVersion(body) : undefined
  if (version === undefined) throw new DepotError('BAD_REQUEST', 'the body is the version as a JSON string: "1.2.3"')
  await moveTag(depot, request, { name, tag, version })
  return jsonResponse(201, { ok: `${tag} is ${version}`, success: true })
}

async function deleteTag(depot: Depot, request: TagRequest): Promise<Response> {
  const { name, tag } = request.params
  if (tag === 'latest')
    throw new DepotError('BAD_REQUEST', 'every package has the dist-tag latest: move it with npm dist-tag add')
  await writeLivePackage(depot, request, name, ({ record }) => {
    if (!Object.hasOwn(record.tags, tag)) throw new DepotError('NOT_FOUND', `${name} has no dist-tag ${tag}`)
    const { [tag]: _gone, ...tags } = record.tags
    return {
      record: { ...record, tags, modified: new Date().toISOString() },
      done: [{ action: 'write', part: tag }],
    }
  })
  return jsonResponse(201, { ok: `${tag} is no tag of ${name} any more`, success: true })
}
