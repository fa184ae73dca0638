import type { ParsedArgs } from './cli.ts'
import { SERVE_SETTINGS } from './settings/serve.ts'
import type { Setting } from './settings/settings.ts'

export interface UnitOptions {
  /** The program and what stands before `serve`: Node and the script. */
  readonly program: readonly string[]
  /** What the server is started with, as flags of `depot serve`; files and folders by their whole path. */
  readonly flags: ParsedArgs['flags']
  /** Folders of several stores, beside that of the depot. */
  readonly storeFolders?: readonly string[]
  /** Whether it is one for several servers, each named by the port that it listens on. */
  readonly isTemplate: boolean
  /** A system user; without one systemd makes one for the time the server runs. */
  readonly user: string | undefined
  /** How long the server takes connections after it was told to stop, and how long it then lets running requests finish. */
  readonly drainDelayMs: number
  readonly graceMs: number
  readonly port: number
}

/**
 * A unit of systemd (250 and later) for `depot serve`. It may write its own folder, those of its stores and nothing else, and reads secret keys as
 * credentials, so that no other service's user needs to.
 */
export function unitFile({
  program,
  isTemplate,
  user,
  drainDelayMs,
  graceMs,
  port,
  storeFolders = [],
  ...given
}: UnitOptions): string {
  const { 'listen-addr': listen, ...others } = given.flags
  const flags = isTemplate ? others : given.flags
  const keys = SECRET_KEYS.flatMap(
    (name) => flags[name]?.map((file, index) => [credential(name, index), file] as const) ?? [],
  )
  const folder = flags['store-path']?.at(-1)
  const low = !isTemplate && port > 0 && port < 1024
  const [binary = '', ...before] = program
  // Variables are looked for behind the program only, and `$$` means `$` there alone.
  const words = [...before.map(argument), 'serve', ...Object.entries(flags).flatMap(argumentsOf)]
  if (isTemplate) words.push(`--listen-addr=${hostOf(listen?.at(-1))}:%i`)
  const lines = [
    ...(user === undefined ? ['DynamicUser=yes'] : [`User=${user}`]),
    ...(folder === undefined
      ? ['StateDirectory=depot', 'StateDirectoryMode=0700', 'Environment=HOME=%S/depot DEPOT_STORE_PATH=%S/depot']
      : [`ReadWritePaths=${quoted(folder)}`]),
    // One that is missing does not keep the others from serving: the server says so, and systemd would not even start it.
    ...storeFolders.map((store) => `ReadWritePaths=${quoted(`-${store}`)}`),
    ...keys.map(([name, file]) => `LoadCredential=${name}:${escaped(file)}`),
    `ExecStart=${[quoted(binary), ...words].join(' ')}`,
    // Without an auth file the signal would end the server.
    ...(flags['auth-file'] === undefined ? [] : ['ExecReload=/bin/kill -HUP $MAINPID']),
    `TimeoutStopSec=${Math.ceil((drainDelayMs + graceMs) / 1000) + MARGIN_SECONDS}`,
    `AmbientCapabilities=${low ? 'CAP_NET_BIND_SERVICE' : ''}`,
    `CapabilityBoundingSet=${low ? 'CAP_NET_BIND_SERVICE' : ''}`,
    `ProtectHome=${[...program, ...files(flags), ...storeFolders].some(inHome) ? 'read-only' : 'yes'}`,
  ]
  return [...HEAD, ...lines, ...HARDENED, '', '[Install]', 'WantedBy=multi-user.target'].join('\n')
}

/** What stands before the port, as it was given. */
function hostOf(listen = '127.0.0.1:8080'): string {
  return argument(listen.slice(0, listen.lastIndexOf(':')))
}

/** What a stop takes beyond the grace of running requests: the last commit, and the end of the worker processes. */
const MARGIN_SECONDS = 15

const HEAD = [
  '[Unit]',
  'Description=Depot: store paths, npm packages and Python distributions',
  'Wants=network-online.target',
  'After=network-online.target',
  '',
  '[Service]',
  'Type=exec',
  'Restart=on-failure',
  'RestartSec=2',
  // The parent ends its workers itself, one after the other.
  'KillMode=mixed',
  // One worker that takes all memory is replaced; by default systemd ends the whole server with it.
  'OOMPolicy=continue',
  'LimitNOFILE=65536',
  'UMask=0077',
]

/** MemoryDenyWriteExecute is left out: V8 writes machine code. AF_NETLINK is how names and interfaces are looked up. */
const HARDENED = [
  'ProtectSystem=strict',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'NoNewPrivileges=yes',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelLogs=yes',
  'ProtectControlGroups=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'ProtectProc=invisible',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'RemoveIPC=yes',
  'LockPersonality=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallFilter=~@privileged @resources',
  'SystemCallErrorNumber=EPERM',
]

function argumentsOf([name, values]: readonly [string, readonly string[]]): readonly string[] {
  const { type }: Setting = SERVE_SETTINGS[name as keyof typeof SERVE_SETTINGS] ?? { type: 'string' }
  if (isSecretKey(name)) {
    return values.map((_, index) => `--${name}=\${CREDENTIALS_DIRECTORY}/${credential(name, index)}`)
  }
  return values.map((value) => argument(type === 'boolean' && value === 'true' ? `--${name}` : `--${name}=${value}`))
}

/** Settings that name files which systemd reads for the server. */
const SECRET_KEYS = ['private-key', 'npm-private-key'] as const
type SecretKey = (typeof SECRET_KEYS)[number]

function isSecretKey(name: string): name is SecretKey {
  return SECRET_KEYS.some((known) => known === name)
}

function credential(name: SecretKey, index: number): string {
  return `${name === 'private-key' ? '' : 'npm-'}signing-${index + 1}.key`
}

/** Values that name a file or folder which the server opens itself. */
function files(flags: ParsedArgs['flags']): readonly string[] {
  return Object.entries(flags).flatMap(([name, values]) => (isSecretKey(name) ? [] : values))
}

function inHome(file: string): boolean {
  return /^\/(?:home|root|run\/user)\//.test(file)
}

function argument(word: string): string {
  return quoted(word.replaceAll('$', '$$$$'))
}

/** systemd.syntax(7): `%` is a specifier, and quotes and backslashes are its own. */
function quoted(word: string): string {
  const plain = escaped(word)
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replaceAll(/[\\"]/g, '\\$&')}"`
}

function escaped(word: string): string {
  return word.replaceAll('%', '%%')
}
