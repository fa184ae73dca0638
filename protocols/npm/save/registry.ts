import type { Download } from '../../../src/client/download.ts'
import { place } from '../../../src/client/fetch-from.ts'
import { DepotError } from '../../../src/errors.ts'
import type { NpmSettings } from '../npm-settings.ts'
import { tarballPath } from '../tarball-name.ts'
import { membersIn, textIn, type Members } from './upstream-packument.ts'

/** The registries that packages are saved from. */
export interface Registry {
  /** The full packument of a package, as text. @throws DepotError `NOT_FOUND`, and what a download throws */
  packument(name: string): Promise<string>
  /**
   * Where a tarball is fetched. An address on another host than the registry's is not asked: whoever writes packuments could make us
   * ask anybody. The registry itself has it under the usual path.
   */
  tarball(name: string, version: string, dist: Members): URL
  /** The address of what is known of a version's provenance, if its manifest names one: its path, on the registry's host, as npm reads it. */
  attestations(name: string, dist: Members): URL | undefined
  /** The address of the public keys beside a package. */
  keys(name: string): URL
}

export function registryOf(download: Download, settings: NpmSettings): Registry {
  const urlOf = (name: string, path: string): URL => new URL(path, settings.registryOf(name))
  return {
    async packument(name) {
      const url = urlOf(name, name.replace('/', '%2f'))
      const { status, text } = await download.ask({ url, accept: 'application/json' })
      if (status === 404) throw new DepotError('NOT_FOUND', `${place(settings.registryOf(name))} has no ${name}`)
      return text
    },
    tarball(name, version, dist) {
      const named = URL.parse(textIn(dist, 'tarball') ?? '')
      return named?.origin === settings.registryOf(name).origin ? named : urlOf(name, tarballPath(name, version))
    },
    attestations(name, dist) {
      const named = URL.parse(textIn(membersIn(dist, 'attestations'), 'url') ?? '')
      if (named === null) return undefined
      const url = new URL(settings.registryOf(name))
      // Not resolved as a reference: one path begins with `//`, and would name a host.
      url.pathname = named.pathname
      return url
    },
    keys: (name) => urlOf(name, '-/npm/v1/keys'),
  }
}
