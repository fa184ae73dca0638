import { z } from 'zod'

import { DepotError } from '../../../src/errors.ts'
import { normalizeProjectName } from '../project-name.ts'
import type { Requirements, Resolution, Resolver, ResolverOptions } from './resolver.ts'
import { said } from './uv-resolver.ts'
import { versionOf } from './wheel-filter.ts'

/**
 * Let pip find the versions (`pip install --dry-run --report`), for each Python and each platform that is wanted. Markers about the system
 * are those of this machine: pip knows no others.
 */
export function pipResolver(options: ResolverOptions): Resolver {
  const { pythons, platforms } = options.wanted
  const targets = ones(pythons.map(versionOf)).flatMap((python) =>
    ones(platforms.map(({ typed }) => typed)).map((platform) => ({ python, platform })),
  )
  return {
    name: 'pip',
    async resolve(requirements) {
      const versions: Resolution['versions'][number][] = []
      const addresses: Resolution['addresses'][number][] = []
      for (const target of targets) {
        const found = await report(options, requirements, target)
        versions.push(...found.versions)
        addresses.push(...found.addresses)
      }
      return { versions, addresses }
    },
  }
}

function ones<T>(list: readonly T[]): readonly (T | undefined)[] {
  return list.length === 0 ? [undefined] : [...new Set(list)]
}

interface Target {
  readonly python: string | undefined
  readonly platform: string | undefined
}

async function report(
  { programs, indexes, scratch, env }: ResolverOptions,
  { lines, constraints, preReleases }: Requirements,
  { python, platform }: Target,
): Promise<Resolution> {
  await using folder = await scratch({
    'requirements.txt': `${lines.join('\n')}\n`,
    'constraints.txt': `${constraints.join('\n')}\n`,
  })
  const [main = '', ...others] = indexes.map(({ href }) => href).toReversed()
  const { status, stdout, stderr } = await programs.run('python3', {
    args: [
      ...'-m pip install --dry-run --ignore-installed --quiet --report -'.split(' '),
      ...'-r requirements.txt -c constraints.txt'.split(' '),
      ...(python === undefined ? [] : ['--python-version', python]),
      ...(platform === undefined ? [] : tagsFor(platform).flatMap((tag) => ['--platform', tag])),
      // pip builds nothing for another machine than this one, and old ones want to be told a folder even where they install nothing.
      ...(python === undefined && platform === undefined ? [] : ['--only-binary', ':all:', '--target', 'unused']),
      ...(preReleases ? ['--pre'] : []),
    ],
    env: {
      ...env,
      PIP_INDEX_URL: main,
      ...(others.length === 0 ? {} : { PIP_EXTRA_INDEX_URL: others.join(' ') }),
    },
    cwd: folder.path,
  })
  if (status !== 0) throw new DepotError('BAD_REQUEST', `pip finds no versions: ${said(stderr)}`)
  return readReport(stdout)
}

/** The tags of a platform that pip is to take: of those systems that are in use. */
function tagsFor(platform: string): readonly string[] {
  const [, system = '', processor = ''] = /^(linux|macos|darwin|windows|win)-(.+)$/.exec(platform.toLowerCase()) ?? []
  const arm = processor === 'arm64' || processor === 'aarch64'
  if (system === 'linux') {
    const kind = arm ? 'aarch64' : processor === 'amd64' ? 'x86_64' : processor
    return ['manylinux_2_34', 'manylinux_2_28', 'manylinux_2_17', 'manylinux2014', 'linux'].map(
      (tag) => `${tag}_${kind}`,
    )
  }
  if (system.startsWith('win')) return [arm ? 'win_arm64' : processor === 'x86' ? 'win32' : 'win_amd64']
  if (system !== '') return [`macosx_14_0_${arm ? 'arm64' : 'x86_64'}`]
  return [platform]
}

const reportSchema = z.object({
  install: z.array(
    z.object({
      is_direct: z.boolean().optional(),
      download_info: z.object({ url: z.string() }),
      metadata: z.object({ name: z.string(), version: z.string() }),
    }),
  ),
})

/** The report of pip 22.2 and newer. @throws DepotError `BAD_REQUEST` */
export function readReport(text: string): Resolution {
  const parsed = reportSchema.safeParse(json(text))
  if (!parsed.success) throw new DepotError('BAD_REQUEST', 'pip gives no report: 22.2 is the first that does')
  const versions: Resolution['versions'][number][] = []
  const addresses: Resolution['addresses'][number][] = []
  for (const { is_direct: isDirect, download_info: from, metadata } of parsed.data.install) {
    const project = normalizeProjectName(metadata.name)
    if (isDirect === true) addresses.push({ project, address: from.url })
    else versions.push({ project, version: metadata.version })
  }
  return { versions, addresses }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
