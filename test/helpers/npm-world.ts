import { npmProtocol } from '../../protocols/npm/index.ts'
import { startWorld, type World, type WorldOptions } from './world.ts'
import { publishOf, tarballOf, type PackageJson, type PublishOptions } from './npm-fixtures.ts'

/** A depot that speaks npm only. */
export function startNpmWorld(options: Omit<WorldOptions, 'protocols'> = {}): Promise<World> {
  return startWorld({ ...options, protocols: [npmProtocol()] })
}

/** Send a body to `PUT /npm/<name>` as `npm publish` does. */
export function put(world: World, name: string, body: unknown): Promise<Response> {
  return world.fetch(`/npm/${name.replace('/', '%2f')}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** Publish a package with the files that `tarballOf` gives it; returns its tarball. */
export async function publish(world: World, packageJson: PackageJson, options?: PublishOptions): Promise<Buffer> {
  const tarball = await tarballOf(packageJson)
  const response = await put(world, packageJson.name, publishOf(packageJson, tarball, options))
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  return tarball
}

export async function json(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>
}
