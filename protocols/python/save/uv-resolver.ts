import { inParallel } from '../../../src/client/in-parallel.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { normalizeProjectName } from '../project-name.ts'
import type { Requirements, Resolution, Resolver, ResolverOptions } from './resolver.ts'
import { versionOf, type Wanted } from './wheel-filter.ts'

/**
 * Let uv find the versions (`uv pip compile`): for each Python on each platform where both are named, else for all systems at once, from
 * each Python upwards. Indexes are named in the environment: they may have credentials in them, and arguments can be read by everybody.
 */
export function uvResolver(options: ResolverOptions): Resolver {
  const targets = targetsOf(options.wanted)
  return {
    name: 'uv',
    async resolve(requirements) {
      const found: Resolution[] = []
      await inParallel(targets, LIMITS.resolversAtOnce, async (target) => {
        found.push(await compile(options, requirements, target))
      })
      return {
        versions: found.flatMap(({ versions }) => versions),
        addresses: found.flatMap(({ addresses }) => addresses),
      }
    },
  }
}

interface Target {
  readonly args: readonly string[]
  /** For whom the versions are that come of it; undefined for all. */
  readonly wanted?: Wanted
}

function targetsOf({ pythons, platforms }: Wanted): readonly Target[] {
  const systems = platforms.flatMap((platform) => {
    const system = uvPlatform(platform.typed)
    return system === undefined ? [] : [{ platform, system }]
  })
  if (pythons.length === 0 || systems.length === 0 || systems.length < platforms.length) {
    const versions = new Set(pythons.map(versionOf))
    return versions.size === 0
      ? [{ args: ['--universal'] }]
      : [...versions].map((version) => ({ args: ['--universal', ...on(version)] }))
  }
  return pythons.flatMap((python) =>
    systems.map(({ platform, system }) => ({
      args: [...on(versionOf(python)), '--python-platform', system],
      wanted: { pythons: [python], platforms: [platform] },
    })),
  )
}

function on(version: string): readonly string[] {
  return ['--python-version', version]
}

/** uv's own name of a platform; undefined for those that it has none for. */
function uvPlatform(typed: string): string | undefined {
  const [, system = '', processor = ''] = /^(linux|macos|darwin|windows|win)-(.+)$/.exec(typed.toLowerCase()) ?? []
  const kind = UV_PROCESSORS.get(processor)
  if (kind === undefined) return undefined
  if (system === 'linux') return `${kind}-manylinux_2_28`
  return `${kind}-${system.startsWith('win') ? 'pc-windows-msvc' : 'apple-darwin'}`
}

const UV_PROCESSORS = new Map([
  ['x86_64', 'x86_64'],
  ['x64', 'x86_64'],
  ['amd64', 'x86_64'],
  ['arm64', 'aarch64'],
  ['aarch64', 'aarch64'],
])

async function compile(
  { programs, indexes, scratch, env }: ResolverOptions,
  { lines, constraints, preReleases }: Requirements,
  { args, wanted }: Target,
): Promise<Resolution> {
  await using folder = await scratch({ 'constraints.txt': `${constraints.join('\n')}\n` })
  const main = indexes.at(-1)?.href ?? ''
  const others = indexes.slice(0, -1).map(({ href }) => href)
  const { status, stdout, stderr } = await programs.run('uv', {
    args: [
      ...'pip compile - --quiet --no-header --no-annotate'.split(' '),
      ...args,
      ...(constraints.length === 0 ? [] : ['--constraints', 'constraints.txt']),
      ...(preReleases ? ['--prerelease', 'allow'] : []),
    ],
    env: { ...env, UV_DEFAULT_INDEX: main, ...(others.length === 0 ? {} : { UV_INDEX: others.join(' ') }) },
    // Names of files in the working directory would be taken for what they name.
    cwd: folder.path,
    input: `${lines.join('\n')}\n`,
  })
  if (status !== 0) throw new DepotError('BAD_REQUEST', `uv finds no versions: ${said(stderr)}`)
  const found = readPins(stdout)
  const versions = wanted === undefined ? found.versions : found.versions.map((pin) => ({ ...pin, target: wanted }))
  return { ...found, versions }
}

/** The end of what a program said, without colours. */
export function said(text: string): string {
  const plain = text.replaceAll(/\s+/g, ' ').trim()
  return plain.length > SAID_CHARS_MAX ? `… ${plain.slice(-SAID_CHARS_MAX)}` : plain
}

const SAID_CHARS_MAX = 1500

const PIN = /^(?<name>[A-Z0-9][A-Z0-9._-]*)(?:\[[^\]]*\])?\s*(?:==\s*(?<version>[^\s;\\]+)|@\s*(?<address>\S+))/i

/** The pins of a list of requirements; comments and options are passed over. */
export function readPins(text: string): Resolution {
  const versions: Resolution['versions'][number][] = []
  const addresses: Resolution['addresses'][number][] = []
  for (const line of text.split('\n')) {
    const { name, version, address } = PIN.exec(line.trim())?.groups ?? {}
    if (name === undefined) continue
    const project = normalizeProjectName(name)
    if (version !== undefined) versions.push({ project, version })
    else if (address !== undefined) addresses.push({ project, address })
  }
  return { versions, addresses }
}
