import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { hexOfNix32, nix32OfHex } from './nix32.ts'
import { isSignature } from './signing.ts'
import { parseBaseName, parseStorePath, printStorePath, type StorePath } from './store-path.ts'

/** What a narinfo says. Hashes are sha256 as hex, whatever form they were written in. */
export interface Narinfo {
  readonly storePath: StorePath
  /** As written; where an upload may point is decided by who takes it. */
  readonly url: string
  /** As written; a narinfo without one means bzip2. */
  readonly compression: string
  readonly fileHash?: string
  readonly fileSizeBytes?: number
  readonly narHash: string
  readonly narSizeBytes: number
  /** Base names, ascending, each once. */
  readonly references: readonly string[]
  /** Base name. */
  readonly deriver?: string
  readonly signatures: readonly string[]
  /** Content address, as written: `text:sha256:…`, `fixed:r:sha256:…`. */
  readonly ca?: string
}

/**
 * Read a narinfo (nix: libstore/nar-info.cc). Keys that nobody knows are passed over; stricter than Nix, a known key stands
 * once, because two readers could take different ones. `System` is checked and forgotten: no client reads it.
 *
 * @throws DepotError `BAD_REQUEST` naming the field
 */
export function parseNarinfo(text: string): Narinfo {
  const { values, signatures } = readLines(text)
  const storePath = parseStorePath(required(values, 'StorePath'))
  if (storePath === undefined) throw malformed('StorePath is not a path of /nix/store')
  const fileHash = values.get('FileHash')
  const deriver = parseDeriver(values.get('Deriver'))
  const ca = values.get('CA')
  checkSystem(values.get('System'))
  return {
    storePath,
    url: required(values, 'URL'),
    compression: values.get('Compression') || 'bzip2',
    narHash: parseSha256('NarHash', required(values, 'NarHash')),
    narSizeBytes: parseSize('NarSize', required(values, 'NarSize')),
    references: parseReferences(values.get('References') ?? ''),
    signatures,
    ...(fileHash === undefined ? {} : { fileHash: parseSha256('FileHash', fileHash) }),
    ...(values.has('FileSize') ? { fileSizeBytes: parseSize('FileSize', values.get('FileSize') ?? '') } : {}),
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
  }
}

/** Print in the order that Nix writes, hashes in base 32. */
export function printNarinfo(narinfo: Narinfo): string {
  const { fileHash, fileSizeBytes, deriver, ca } = narinfo
  const lines = [
    `StorePath: ${printStorePath(narinfo.storePath.baseName)}`,
    `URL: ${narinfo.url}`,
    `Compression: ${narinfo.compression}`,
    ...(fileHash === undefined ? [] : [`FileHash: sha256:${nix32OfHex(fileHash)}`]),
    ...(fileSizeBytes === undefined ? [] : [`FileSize: ${fileSizeBytes}`]),
    `NarHash: sha256:${nix32OfHex(narinfo.narHash)}`,
    `NarSize: ${narinfo.narSizeBytes}`,
    `References: ${narinfo.references.join(' ')}`,
    ...(deriver === undefined ? [] : [`Deriver: ${deriver}`]),
    ...narinfo.signatures.map((signature) => `Sig: ${signature}`),
    ...(ca === undefined ? [] : [`CA: ${ca}`]),
  ]
  return `${lines.join('\n')}\n`
}

// The value starts two bytes after the colon; a client that finds no blank there loses a byte or a line.
const LINE = /^(?<key>[A-Za-z][A-Za-z0-9-]*): (?<value>[ -~]*)$/

const KNOWN = new Set(
  'StorePath URL Compression FileHash FileSize NarHash NarSize References Deriver System CA'.split(' '),
)

function readLines(text: string): { readonly values: ReadonlyMap<string, string>; readonly signatures: string[] } {
  if (!text.endsWith('\n')) throw malformed('its last line has no end')
  const values = new Map<string, string>()
  const signatures: string[] = []
  const lines = text.slice(0, -1).split('\n', LIMITS.narinfoLinesMax + 1)
  if (lines.length > LIMITS.narinfoLinesMax) throw malformed(`it has more than ${LIMITS.narinfoLinesMax} lines`)
  for (const line of lines) {
    const groups = LINE.exec(line)?.groups
    const [key, value] = [groups?.['key'], groups?.['value']]
    if (key === undefined || value === undefined) throw malformed(`a line is not "Key: value" in plain characters`)
    if (key === 'Sig') signatures.push(parseSignature(value))
    if (signatures.length > LIMITS.narinfoSignaturesMax)
      throw malformed(`it has more than ${LIMITS.narinfoSignaturesMax} signatures`)
    if (!KNOWN.has(key)) continue
    if (values.has(key)) throw malformed(`${key} stands there twice`)
    values.set(key, value)
  }
  return { values, signatures }
}

function required(values: ReadonlyMap<string, string>, key: string): string {
  const value = values.get(key)
  if (value === undefined || value === '') throw malformed(`it has no ${key}`)
  return value
}

function parseSize(key: string, value: string): number {
  const size = /^\d{1,15}$/.test(value) ? Number(value) : 0
  if (size === 0) throw malformed(`${key} is not a number of bytes`)
  return size
}

/** `sha256:` with base 32 or hex, or the form of web pages, `sha256-` with base 64. */
function parseSha256(key: string, value: string): string {
  const groups = /^sha256(?::(?<plain>[0-9a-z]{52,64})|-(?<base64>[0-9A-Za-z+/]{43}=))$/.exec(value)?.groups
  const [plain, base64] = [groups?.['plain'], groups?.['base64']]
  const hex =
    base64 === undefined
      ? plain?.length === 64
        ? plain
        : hexOfNix32(plain ?? '')
      : Buffer.from(base64, 'base64').toString('hex')
  if (hex === undefined || !/^[0-9a-f]{64}$/.test(hex)) throw malformed(`${key} is not a sha256`)
  return hex
}

function parseReferences(value: string): readonly string[] {
  const names = value.split(' ').filter((name) => name !== '')
  const stranger = names.find((name) => parseBaseName(name) === undefined)
  if (stranger !== undefined) throw malformed('References has a word that is not <hash>-<name>')
  return [...new Set(names)].sort()
}

function parseDeriver(value: string | undefined): string | undefined {
  if (value === undefined || value === '' || value === 'unknown-deriver') return undefined
  if (parseBaseName(value) === undefined || !value.endsWith('.drv')) throw malformed('Deriver is not <hash>-<name>.drv')
  return value
}

/** `x86_64-linux`, `builtin`. */
function checkSystem(value: string | undefined): void {
  if (value !== undefined && !/^[0-9A-Za-z_][0-9A-Za-z_.+-]{0,63}$/.test(value))
    throw malformed('System is not the name of a platform')
}

function parseSignature(value: string): string {
  if (!isSignature(value)) throw malformed('Sig is not <key name>:<base64>')
  return value
}

function malformed(reason: string): DepotError {
  return new DepotError('BAD_REQUEST', `not a narinfo: ${reason}`)
}
