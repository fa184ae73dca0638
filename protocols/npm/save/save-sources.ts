import npa from 'npm-package-arg'

import { failSaved } from '../../../src/client/fail-saved.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { DepotError, hasCode } from '../../../src/errors.ts'
import type { LockedSource } from '../locks/locked-package.ts'
import { fetchSource, type FetchedSource } from './fetch-source.ts'
import { publishSource } from './publish-source.ts'
import type { Registry } from './registry.ts'
import type { OtherSource } from './resolve.ts'
import type { Members } from './upstream-packument.ts'

/** Saves what comes from no registry, as far as it can be had as a tarball, each once. */
export interface Sources {
  /** Fetch it and look into it; undefined when that cannot be done, which `save` tells. */
  packageJson(spec: npa.Result): Promise<Members | undefined>
  save(source: OtherSource): Promise<void>
  saveLocked(source: LockedSource): Promise<void>
}

export function openSources(run: SaveRun, registry: Registry): Sources {
  const fetched = new Map<string, Promise<FetchedSource>>()
  const fetching = (url: URL, integrity?: string): Promise<FetchedSource> => {
    const key = `${url.href} ${integrity ?? ''}`
    const source = fetched.get(key) ?? fetchSource(run, url, integrity)
    fetched.set(key, source)
    return source
  }

  async function saveFrom(item: string, url: URL, integrity?: string): Promise<void> {
    try {
      const source = await fetching(url, integrity).catch((error: unknown) => {
        // The host of one address is down, and nothing else.
        if (hasCode(error, 'STORAGE_DOWN')) throw new DepotError('NOT_FOUND', error.message, { cause: error })
        throw error
      })
      await publishSource(run, registry, source)
      const reason = `it was saved as ${source.name}@${source.version}: in the closed network, let package.json name that version`
      run.report.add({ item, result: 'left out', reason })
    } catch (error) {
      failSaved(run.report, item, error)
    }
  }

  return {
    async packageJson(spec) {
      const url = tarballAddress(spec)
      if (url === undefined) return undefined
      try {
        return (await fetching(url)).manifest
      } catch (error) {
        if (hasCode(error, 'STORAGE_FULL') || error instanceof TypeError) throw error
        return undefined
      }
    },
    async save({ item, spec, optional, byProject }) {
      const url = byProject ? tarballAddress(spec) : undefined
      if (url !== undefined) return await saveFrom(item, url)
      const local = spec.type === 'directory' || spec.type === 'file'
      run.report.add({ item, result: optional || (local && byProject) ? 'left out' : 'failed', reason: reasonOf(spec) })
    },
    async saveLocked({ item, reason, url, integrity, breaks }) {
      const address = url === undefined ? undefined : lockedAddress(url)
      if (address !== undefined) return await saveFrom(item, address, integrity)
      run.report.add({ item, result: breaks ? 'failed' : 'left out', reason: `it is ${reason}` })
    },
  }
}

/** Where something can be fetched as a tarball: at its address, or where a well-known host keeps archives of a repository. */
function tarballAddress(spec: npa.Result): URL | undefined {
  if (spec.type === 'remote') return httpUrl(spec.fetchSpec)
  const { hosted, gitRange } = spec
  if (spec.type !== 'git' || gitRange !== undefined) return undefined
  // What the types of npm-package-arg leave out of hosted-git-info.
  return httpUrl((hosted as { tarball?: () => string } | undefined)?.tarball?.())
}

function lockedAddress(url: string): URL | undefined {
  try {
    return tarballAddress(npa(url))
  } catch {
    return undefined
  }
}

function httpUrl(text: string | null | undefined): URL | undefined {
  const url = URL.parse(text ?? '')
  return url !== null && /^https?:$/.test(url.protocol) ? url : undefined
}

function reasonOf({ type }: npa.Result): string {
  const hint = 'publish it to the depot, or let the project use a version of a registry'
  if (type === 'directory') return 'it is a folder, which comes along with the project: save its package.json as well'
  if (type === 'file') return 'it is a file, which comes along with the project'
  return type === 'git'
    ? `it comes from a git repository: ${hint}`
    : `it comes from an address outside the registry: ${hint}`
}
