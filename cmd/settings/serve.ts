import { DATABASE_SETTINGS } from './database.ts'
import { REDIRECT_SETTINGS } from './redirects.ts'
import { S3_SETTINGS } from './s3.ts'
import type { SettingTable } from './settings.ts'
import { PLACEMENT_SETTINGS } from './stores.ts'

/** Where the data lies; `depot serve` and `depot fsck` must agree on it. */
export const STORAGE_SETTINGS = {
  'store-path': { type: 'string', description: 'Folder of the data (default: $XDG_DATA_HOME/depot)', hint: 'DIR' },
  ...DATABASE_SETTINGS,
  'storage-type': { type: 'string', description: 'Where blobs lie (default: fs)', words: ['fs', 's3', 'memory'] },
  ...S3_SETTINGS,
  ...PLACEMENT_SETTINGS,
} as const satisfies SettingTable

/** What `depot serve` does: all there is, answer alone, or a thing that ends. */
export const MODES = ['monolithic', 'api-server', 'db-migrations', 'check-config'] as const

export type Mode = (typeof MODES)[number]

/** All that `depot serve` may be told, by flag, variable or file. */
export const SERVE_SETTINGS = {
  mode: {
    type: 'string',
    description:
      'What to do: everything; answer only, on a database that is up to date; bring the database up to date; look at what a start would find (default: monolithic)',
    words: MODES,
  },
  'listen-addr': { type: 'string', description: 'Address to listen on (default: 127.0.0.1:8080)', hint: 'HOST:PORT' },
  ...STORAGE_SETTINGS,
  ...REDIRECT_SETTINGS,
  'private-key': {
    type: 'list',
    description:
      'Nix secret key file; repeatable, every key signs every path (default: signing.key, signing-2.key, … in the store path; the first is made)',
    hint: 'FILE',
  },
  'trusted-public-key': {
    type: 'list',
    description: 'Nix public key of somebody else: signatures of it that come with a path are kept; repeatable',
    hint: 'NAME:BASE64',
  },
  'require-trusted-signature': {
    type: 'boolean',
    description: 'Take a Nix path only with such a signature, or when its name is a hash of its content',
  },
  'require-references': {
    type: 'boolean',
    description: 'Take a Nix path only when all that it refers to is here (default: true; =false for partial closures)',
  },
  'nix-store': {
    type: 'string',
    description: 'Serve the valid paths of this Nix store as well: / for that of the host, or the root of another',
    hint: 'DIR',
  },
  'npm-private-key': {
    type: 'list',
    description:
      'Key that npm packages are signed with; repeatable, the last one signs (default: npm-signing.key, … in the store path; the first is made)',
    hint: 'FILE',
  },
  'npm-keys': {
    type: 'list',
    description:
      'Keys of another npm registry, as its /-/npm/v1/keys answers: signatures of packages from there verify; repeatable',
    hint: 'FILE',
  },
  'npm-advisories': {
    type: 'string',
    description:
      'What npm audit is answered from: OSV records (JSON, JSON lines, or a folder of *.json) or a saved bulk answer',
    hint: 'PATH',
  },
  'auth-file': {
    type: 'string',
    description: "SSH public keys that may read or write, one a line: 'w ssh-ed25519 AAAA… comment'",
    hint: 'FILE',
  },
  'read-auth': {
    type: 'string',
    description: 'Whether reads need credentials (default: auto: when the auth file has an r key)',
    words: ['auto', 'always', 'never'],
  },
  audience: {
    type: 'list',
    description: 'Further origin that logins may be made for (default: that of the public URL); repeatable',
    hint: 'ORIGIN',
  },
  'trusted-proxy': {
    type: 'list',
    description: 'Reverse proxy whose X-Forwarded-For is believed, as address or range; repeatable',
    hint: 'CIDR',
  },
  'public-url': { type: 'string', description: 'URL at which clients reach this depot', hint: 'URL' },
  'allowed-host': { type: 'list', description: 'Host name to answer to besides; repeatable', hint: 'NAME' },
  workers: {
    type: 'string',
    description: 'Processes that serve side by side, or auto for one a core (default: 1)',
    hint: 'NUMBER',
  },
  'insecure-open': { type: 'boolean', description: 'Let everyone who can reach this address read and write' },
  'drain-delay': {
    type: 'string',
    description: 'Seconds between being told to stop and taking no connections any more; /readyz says 503 (default: 0)',
    hint: 'SECONDS',
  },
  'shutdown-grace': {
    type: 'string',
    description: 'Seconds that running requests get at shutdown (default: 120)',
    hint: 'SECONDS',
  },
  verbose: { type: 'boolean', description: 'Log every refusal and every blob as well' },
} as const satisfies SettingTable
