import { npmClient, npmrcLine, type NpmClient, type NpmClientName } from './npm-client.ts'
import type { PackageJson } from './npm-fixtures.ts'

/** How one npm client publishes and installs, and what its user reads when that is refused. */
export interface NpmTool {
  readonly client: NpmClientName
  readonly label: string
  readonly publish: readonly string[]
  /** Besides package.json, what makes a folder a project of its own. */
  readonly files?: Readonly<Record<string, string>>
  /** Whether it publishes installed projects only. */
  readonly installsFirst?: boolean
  readonly install: readonly string[]
  /** Installing what the lock file says, or failing. */
  readonly frozen: readonly string[]
  readonly lockFile: string
  /** When it leaves out packages for another C library: npm 10 keeps no such field in its lock file. */
  readonly readsLibc: 'always' | 'without a lock file' | 'never'
  /** Whether it leaves alone what a tarball brings along; others look for it in the registry all the same. */
  readonly readsBundles: boolean
  /** The version is there with other bytes. */
  readonly taken: RegExp
  /** How it deletes a version, when it can. */
  readonly unpublish?: readonly string[]
  /** The number was that of a deleted version. */
  readonly deleted: RegExp
  /** The lock file wants a version that was deleted. */
  readonly gone: RegExp
  /** There is no such package. */
  readonly missing: RegExp
  /** There is the package, but no such version. */
  readonly noVersion: RegExp
  /** How it is told to pass over versions younger than a year, when it can be, and what it says when all are. */
  readonly cooldown?: {
    readonly args?: readonly string[]
    readonly settings?: readonly string[]
    readonly young: RegExp
  }
}

const DELETED = /cannot publish \S+@1\.1\.0: it was deleted on/

type Shared = Omit<NpmTool, 'client' | 'label' | 'taken'>

const NPM: Shared = {
  publish: ['publish'],
  unpublish: ['unpublish', '--force'],
  deleted: DELETED,
  gone: /404 Not Found - GET \S+-1\.1\.0\.tgz - not found here/,
  install: ['install'],
  frozen: ['ci'],
  lockFile: 'package-lock.json',
  readsLibc: 'always',
  readsBundles: true,
  missing: /404 +Not Found - GET \S+absent-one - not found here, or not for you to see/,
  noVersion: /ETARGET[^]*No matching version found for shared-lib@9\.9\.9/,
  cooldown: { args: ['--before', '2020-01-01'], young: /ENOVERSIONS[^]*No versions available for shared-lib/ },
}
const NPM_ASKS_FIRST = /cannot publish over the previously published versions: 1\.0\.0/
const PNPM: Shared = {
  publish: ['publish', '--no-git-checks'],
  unpublish: ['unpublish', '--force'],
  deleted: DELETED,
  gone: /ERR_PNPM_FETCH_404\s+GET \S+-1\.1\.0\.tgz|ERR_PNPM_TARBALL_HTTP_STATUS[^]*HTTP 404 for [^]*-1\.1\.0\.tgz/,
  install: ['install'],
  frozen: ['install', '--frozen-lockfile'],
  lockFile: 'pnpm-lock.yaml',
  readsLibc: 'always',
  readsBundles: true,
  missing: /ERR_PNPM_FETCH_404[^]*absent-one/,
  noVersion: /ERR_PNPM_NO_MATCHING_VERSION[^]*shared-lib@9\.9\.9/,
  cooldown: { args: ['--config.minimum-release-age=525600'], young: /ERR_PNPM_NO_MATURE_MATCHING_VERSION/ },
}
const OTHER_BYTES = 'cannot publish over the existing version 1\\.0\\.0 of @by/\\w+ with other bytes'

export const NPM_TOOLS: readonly NpmTool[] = [
  {
    ...NPM,
    client: 'npm10',
    label: 'npm 10',
    readsLibc: 'without a lock file',
    taken: new RegExp(`409 Conflict - PUT .* - ${OTHER_BYTES}`),
  },
  { ...NPM, client: 'npm11', label: 'npm 11', taken: NPM_ASKS_FIRST },
  { ...NPM, client: 'npm12', label: 'npm 12', taken: NPM_ASKS_FIRST },
  { ...PNPM, client: 'pnpmOld', label: 'pnpm 10', taken: NPM_ASKS_FIRST },
  {
    ...PNPM,
    client: 'pnpm',
    label: 'pnpm 12',
    taken: /409 Conflict[^]*cannot publish over the existing version 1\.0\.0/,
  },
  {
    client: 'yarn',
    label: 'yarn 1',
    publish: ['publish', '--non-interactive'],
    deleted: DELETED,
    gone: /-1\.1\.0\.tgz: Request failed "404 Not Found"/,
    install: ['install', '--non-interactive', '--no-progress'],
    frozen: ['install', '--frozen-lockfile', '--non-interactive', '--no-progress'],
    lockFile: 'yarn.lock',
    readsLibc: 'never',
    readsBundles: false,
    taken: new RegExp(OTHER_BYTES),
    missing: /absent-one: not found here, or not for you to see/,
    noVersion: /Couldn't find any versions for "shared-lib" that matches "9\.9\.9"/,
  },
  {
    client: 'yarnBerry',
    label: 'yarn 4',
    publish: ['npm', 'publish'],
    deleted: DELETED,
    gone: /fading-yarnberry@npm:1\.1\.0: Package not found/,
    files: { 'yarn.lock': '' },
    installsFirst: true,
    install: ['install'],
    frozen: ['install', '--immutable'],
    lockFile: 'yarn.lock',
    readsLibc: 'always',
    readsBundles: false,
    taken: new RegExp(OTHER_BYTES),
    missing: /absent-one@npm:1\.0\.0: Package not found/,
    noVersion: /shared-lib@npm:9\.9\.9: No candidates found/,
    cooldown: { settings: ['npmMinimalAgeGate: 365d'], young: /shared-lib@npm:[^]*(quarantine|age gate)/i },
  },
  {
    client: 'bun',
    label: 'bun',
    publish: ['publish'],
    deleted: DELETED,
    gone: /GET \S+-1\.1\.0\.tgz - 404/,
    install: ['install'],
    frozen: ['install', '--frozen-lockfile'],
    lockFile: 'bun.lock',
    readsLibc: 'always',
    readsBundles: false,
    taken: new RegExp(`409 Conflict: [^]* - ${OTHER_BYTES}`),
    missing: /GET \S+absent-one - 404/,
    noVersion: /No version matching "9\.9\.9" found for specifier "shared-lib"/,
    cooldown: { args: ['--minimum-release-age', '31536000'], young: /minimum-release-age|minimum release age/ },
  },
]

/** Publish a package of one module, whose value is a JavaScript expression. @throws Error with what the client printed */
export async function publishWith(tool: NpmTool, client: NpmClient, own: PackageJson, value: string): Promise<void> {
  const files = { ...tool.files, 'index.js': `module.exports = ${value}\n`, 'README.md': `# ${own.name}\n` }
  const folder = await client.folder(
    `publish/${own.name}@${own.version}`,
    { license: 'MIT', main: 'index.js', ...own },
    files,
  )
  if (tool.installsFirst === true) await client.run(folder, ...tool.install)
  await client.run(folder, ...tool.publish)
}

/** The package.json of an application. */
export function appWith(dependencies: Readonly<Record<string, string>>): object {
  return { name: 'app', version: '0.0.0', private: true, license: 'MIT', dependencies }
}

/** A client with some token: none of them publishes without. @param registry URL with its trailing slash */
export function npmToolAt({ client }: NpmTool, registry: string, ...settings: readonly string[]): Promise<NpmClient> {
  const token = client === 'yarnBerry' ? 'npmAuthToken: anything' : npmrcLine(registry, '_authToken', 'anything')
  return npmClient(client, registry, [token, ...settings])
}
