import { DepotError } from '../../../src/errors.ts'
import { normalizeProjectName } from '../project-name.ts'
import type { Requirements, Resolution, Resolver, ResolverOptions } from './resolver.ts'
import { versionOf } from './wheel-filter.ts'

/**
 * Let uv find the versions for all systems at once (`uv pip compile --universal`), from each version of Python that is wanted upwards.
 * Indexes are named in the environment: they may have credentials in them, and arguments can be read by everybody.
 */
export function uvResolver(options: ResolverOptions): Resolver {
  const pythons = options.wanted.pythons.map(versionOf)
  return {
    name: 'uv',
    async resolve(requirements) {
      const found: Resolution[] = []
      for (const python of pythons.length === 0 ? [undefined] : new Set(pythons))
        found.push(await compile(options, requirements, python))
      return {
        versions: found.flatMap(({ versions }) => versions),
        addresses: found.flatMap(({ addresses }) => addresses),
      }
    },
  }
}

async function compile(
  { programs, indexes, scratch, env }: ResolverOptions,
  { lines, constraints, preReleases }: Requirements,
  python: string | undefined,
): Promise<Resolution> {
  await using folder = await scratch({ 'constraints.txt': `${constraints.join('\n')}\n` })
  const main = indexes.at(-1)?.href ?? ''
  const others = indexes.slice(0, -1).map(({ href }) => href)
  const { status, stdout, stderr } = await programs.run('uv', {
    args: [
      ...'pip compile - --universal --quiet --no-header --no-annotate'.split(' '),
      ...(python === undefined ? [] : ['--python-version', python]),
      ...(constraints.length === 0 ? [] : ['--constraints', 'constraints.txt']),
      ...(preReleases ? ['--prerelease', 'allow'] : []),
    ],
    env: { ...env, UV_DEFAULT_INDEX: main, ...(others.length === 0 ? {} : { UV_INDEX: others.join(' ') }) },
    // Names of files in the working directory would be taken for what they name.
    cwd: folder.path,
    input: `${lines.join('\n')}\n`,
  })
  if (status !== 0) throw new DepotError('BAD_REQUEST', `uv finds no versions: ${said(stderr)}`)
  return readPins(stdout)
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
