import path from 'node:path'

import { generateSecretKey, isKeyName, parseSecretKey } from '../../protocols/nix/signing.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from '../cli.ts'
import { keyPlace } from '../settings/parse-config.ts'
import { SERVE_SETTINGS } from '../settings/serve.ts'
import { isOn, lastOf } from '../flags.ts'
import { writeKeyFile } from './key-files.ts'
import { CONFIG_ARGS, loadSettings, settingArgs, SETTINGS_NOTE } from '../settings/load.ts'
import { KEY_USES } from './key-agreement.ts'
import { makeNextNpmKey, readNpmKeys, type NpmKeyPlace } from './npm-keys.ts'
import type { Environment } from '../environment.ts'
import { NIX_KEY_FILES, randomKeyName, readKeyFile, readSigningKeys, type KeyPlace } from './nix-keys.ts'

const NAME_ARG = {
  type: 'string',
  description: 'What clients call it; letters, digits, dots and dashes, with a number at the end by custom',
  valueHint: 'NAME',
} as const

const NPM_ARG = {
  type: 'boolean',
  description: 'Those that sign npm packages, instead of those for Nix paths',
} as const

const PLACE_SETTINGS = {
  'store-path': SERVE_SETTINGS['store-path'],
  'private-key': SERVE_SETTINGS['private-key'],
  'npm-private-key': SERVE_SETTINGS['npm-private-key'],
} as const

/** `depot key generate`. */
export function keyGenerateCommand(io: CliIo): Command {
  return {
    name: 'key generate',
    description:
      'Make a key that signs Nix paths. Without --output the secret goes to standard output, and nowhere else.',
    args: {
      name: { ...NAME_ARG, description: `${NAME_ARG.description} (default: depot-<8 hex>-1)` },
      output: { type: 'string', description: 'Write it there (0600), and print the public key', valueHint: 'FILE' },
    },
    examples: [
      'depot key generate --name cache.example.org-1 --output /etc/depot/cache.key',
      'depot key generate > my.key',
    ],
    async run({ flags }) {
      const secret = generateSecretKey(nameOf(flags) ?? randomKeyName())
      const output = lastOf(flags, 'output')
      if (output === undefined) {
        io.out(secret)
        return 0
      }
      await writeNew(path.resolve(output), secret)
      io.out(parseSecretKey(secret).publicKey)
      return 0
    },
  }
}

/** `depot key public`. */
export function keyPublicCommand(io: CliIo): Command {
  return {
    name: 'key public',
    description: 'Print the public key of a secret one, as trusted-public-keys in nix.conf takes it.',
    args: { file: { type: 'positional', description: 'Nix secret key file', required: true } },
    examples: ['depot key public /etc/depot/cache.key'],
    async run({ positionals: [file] }) {
      if (file === undefined) throw new UsageError('which key? depot key public FILE')
      io.out((await readKeyFile(path.resolve(file))).publicKey)
      return 0
    },
  }
}

/** `depot key list`. */
export function keyListCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'key list',
    description:
      'List the keys that depot serve signs with when it is started with the same settings: public key and file.',
    args: { npm: NPM_ARG, ...settingArgs(PLACE_SETTINGS), ...CONFIG_ARGS },
    notes: SETTINGS_NOTE,
    examples: ['depot key list', 'depot key list --store-path /srv/depot', 'depot key list --npm'],
    async run({ flags }) {
      const place = placeOf(flags, env, io)
      if (isOn(flags, 'npm')) return listNpmKeys(place, io)
      const stored = await readSigningKeys(place)
      for (const { file, key } of stored) io.out(`${key.publicKey}  ${file}`)
      if (stored.length === 0) io.err(`no key in ${place.storePath} yet: depot serve makes one at its first start`)
      return 0
    },
  }
}

/** `depot key rotate`. */
export function keyRotateCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'key rotate',
    description:
      'Make a further key in the store path. From its next start on, the server signs every path with all of them, also those that it holds.',
    args: {
      npm: NPM_ARG,
      ...settingArgs(PLACE_SETTINGS),
      ...CONFIG_ARGS,
      name: { ...NAME_ARG, description: `${NAME_ARG.description} (default: that of the last key, counted up)` },
    },
    notes: `An old key ends when its file is moved away and the server is started again.\n\n${SETTINGS_NOTE}`,
    examples: [
      'depot key rotate',
      'depot key rotate --store-path /srv/depot --name cache.example.org-2',
      'depot key rotate --npm',
    ],
    async run({ flags }) {
      const place = placeOf(flags, env, io)
      const { storePath, privateKeyFiles } = place
      if (isOn(flags, 'npm')) return rotateNpmKey(place, io)
      if (privateKeyFiles !== undefined)
        throw new UsageError(
          'the keys of this depot are named by --private-key: make one with depot key generate --output FILE, and name it besides',
        )
      const stored = await readSigningKeys({ storePath, privateKeyFiles })
      if (stored.length === 0)
        throw new UsageError(`no key in ${storePath} yet: depot serve makes one at its first start`)
      const names = stored.map(({ key }) => key.name)
      const name = nameOf(flags) ?? nextName(names)
      if (names.includes(name)) throw new UsageError(`there is a key called ${name} already`)
      const secret = generateSecretKey(name)
      const file = await NIX_KEY_FILES.next(storePath)
      await writeNew(file, secret)
      io.out(parseSecretKey(secret).publicKey)
      for (const line of nextSteps(
        file,
        stored.map((old) => old.file),
      ))
        io.err(line)
      return 0
    },
  }
}

async function listNpmKeys(place: NpmKeyPlace, io: CliIo): Promise<number> {
  const { storePath } = place
  const stored = await readNpmKeys(place)
  for (const { file, key } of stored) io.out(`${key.entry.keyid}  ${file}`)
  if (stored.length === 0) io.err(`no key in ${storePath} yet: depot serve makes one at its first start`)
  return 0
}

async function rotateNpmKey(place: NpmKeyPlace, io: CliIo): Promise<number> {
  const { storePath, npmPrivateKeyFiles } = place
  if (npmPrivateKeyFiles !== undefined)
    throw new UsageError(
      `the keys of this depot are named by --npm-private-key: make one with ${KEY_USES.npm.make}, and name it behind them`,
    )
  const old = await readNpmKeys(place)
  if (old.length === 0) throw new UsageError(`no key in ${storePath} yet: depot serve makes one at its first start`)
  const { file, key } = await makeNextNpmKey(storePath)
  io.out(key.entry.keyid)
  io.err(`made ${file}. What comes next:`)
  io.err(
    '1. Start the server again (every server of this depot, with the same key files): it signs all packages with the new key.',
  )
  io.err(
    `2. Clients learn of it by themselves. Move ${old.map((one) => one.file).join(' and ')} away when no client has old metadata any more.`,
  )
  return 0
}

function nextSteps(file: string, old: readonly string[]): readonly string[] {
  return [
    `made ${file}. What comes next:`,
    '1. Start the server again (every server of this depot, with the same key files): it signs with all keys.',
    '2. Let clients trust the new public key, beside the old one.',
    `3. When they all do, move ${old.join(' and ')} away and start the server again.`,
  ]
}

/** `cache-1` is followed by `cache-2`, by the count of the last key. */
function nextName(names: readonly string[]): string {
  const groups = /^(?<stem>.*)-(?<count>\d{1,9})$/.exec(names.at(-1) ?? '')?.groups
  const stem = groups?.['stem'] ?? names.at(-1) ?? ''
  for (let count = Number(groups?.['count'] ?? 1) + 1; ; count++)
    if (!names.includes(`${stem}-${count}`)) return `${stem}-${count}`
}

function nameOf(flags: ParsedArgs['flags']): string | undefined {
  const name = lastOf(flags, 'name')
  if (name !== undefined && !isKeyName(name))
    throw new UsageError('--name takes at most 256 letters, digits, dots, dashes and underscores')
  return name
}

/** @throws UsageError when the file is there: whoever lost it could not get it back */
async function writeNew(file: string, secret: string): Promise<void> {
  if (!(await writeKeyFile(file, secret))) throw new UsageError(`${file} is there already, and was left as it is`)
}

function placeOf(flags: ParsedArgs['flags'], env: Environment, io: CliIo): KeyPlace & NpmKeyPlace {
  // The file may configure the server too, so it is read by the server's table.
  const { values, warnings, home } = loadSettings(SERVE_SETTINGS, flags, env)
  for (const warning of warnings) io.err(`depot: ${warning}`)
  return keyPlace(values, env, home)
}
