import { LIMITS } from '../../src/limits.ts'
import type { S3Options } from '../../storage/blob/s3/options.ts'
import { UsageError } from '../cli.ts'
import { variableOf, type SettingTable, type SettingValues } from './settings.ts'

/** The bucket of `--storage-type s3`. */
export const S3_SETTINGS = {
  's3-bucket': { type: 'string', description: 'S3: bucket that blobs lie in', hint: 'NAME' },
  's3-region': { type: 'string', description: 'S3: region of the bucket (default: us-east-1)', hint: 'REGION' },
  's3-endpoint': { type: 'string', description: 'S3: server, when it is not AWS', hint: 'URL' },
  's3-access-key-id': {
    type: 'string',
    description: 'S3: access key (default: what the AWS SDK finds: variables, ~/.aws, a role)',
    hint: 'ID',
  },
  's3-secret-access-key': {
    type: 'string',
    description:
      'S3: its secret; better in DEPOT_S3_SECRET_ACCESS_KEY or the file: everybody here may see a command line',
    hint: 'SECRET',
    secret: true,
  },
  's3-force-path-style': {
    type: 'boolean',
    description: 'S3: put the name of the bucket into the path, not into the host name: MinIO needs it',
  },
  's3-prefix': { type: 'string', description: 'S3: folder in the bucket (default: its top)', hint: 'PREFIX' },
  's3-server-side-encryption': {
    type: 'string',
    description: 'S3: how it encrypts what it keeps (default: as the bucket says)',
    words: ['AES256', 'aws:kms'],
  },
  's3-kms-key-id': { type: 'string', description: 'S3: key of aws:kms (default: that of the account)', hint: 'KEY' },
  's3-storage-class': {
    type: 'string',
    description: 'S3: storage class of new blobs (default: STANDARD)',
    hint: 'CLASS',
  },
  's3-checksums': {
    type: 'boolean',
    description: 'S3: send a CRC-32 of all bytes (default: true; =false for servers that take none)',
  },
} as const satisfies SettingTable

/**
 * The bucket that settings name.
 *
 * @param value of a setting, by its name without `s3-`
 * @param settingPrefix what stands before that name where an error names the setting
 * @throws UsageError saying which one and what it takes
 */
export function s3OptionsOf(value: (name: string) => string | undefined, settingPrefix: string): S3Options {
  const read = reader(value, settingPrefix)
  const encryption = read('server-side-encryption', /^(?:AES256|aws:kms)$/, 'AES256 or aws:kms')
  const kmsKeyId = read('kms-key-id', /^[\w:/-]{1,2048}$/, 'an id, an alias or an ARN')
  const bucket = read('bucket', BUCKET, 'the name of a bucket: 3 to 63 lower-case letters, digits, dots and dashes')
  if (bucket === undefined) throw new UsageError(`${settingPrefix}bucket is missing: in which bucket do blobs lie?`)
  if (kmsKeyId !== undefined && encryption !== 'aws:kms')
    throw new UsageError(`${settingPrefix}kms-key-id goes with ${settingPrefix}server-side-encryption aws:kms`)
  return {
    bucket,
    region: read('region', /^[a-z0-9-]{1,64}$/, 'a region such as eu-central-1') ?? 'us-east-1',
    endpoint: endpointOf(value('endpoint'), settingPrefix),
    credentials: credentialsOf(value, settingPrefix),
    forcePathStyle: isOn('force-path-style', false),
    prefix: prefixOf(value('prefix'), settingPrefix),
    encryption: encryption === 'AES256' || encryption === 'aws:kms' ? encryption : undefined,
    kmsKeyId,
    storageClass: read('storage-class', /^[A-Z0-9_]{1,64}$/, 'a class such as STANDARD_IA'),
    checksums: isOn('checksums', true),
    settingPrefix,
  }

  function isOn(name: string, absent: boolean): boolean {
    const text = read(name, /^(?:true|false)$/, 'true or false')
    return text === undefined ? absent : text === 'true'
  }
}

/** @throws UsageError when settings name a bucket that nothing would be put into */
export function refuseStrayS3(values: SettingValues): void {
  const stray = Object.keys(S3_SETTINGS).find((name) => values.has(name))
  if (stray === undefined) return
  if (!values.has('stores')) throw new UsageError(`--${stray} goes with --storage-type s3`)
  const isKey = stray === 's3-access-key-id' || stray === 's3-secret-access-key'
  const instead = isKey
    ? `access-key-id = "…" and secret-access-key = "…" belong into the table of the store, in a file with mode 0600; a table without them uses what the AWS SDK finds (AWS_ACCESS_KEY_ID, ~/.aws, a role)`
    : `${stray.replace(/^s3-/, '')} = … belongs into the table of the store`
  throw new UsageError(`--${stray} (${variableOf(stray)}) is for a depot with one store: with [[stores]] ${instead}`)
}

/** AWS's rule, less what no bucket may begin or end with; a name with two dots in a row is no host name. */
const BUCKET = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

function reader(value: (name: string) => string | undefined, settingPrefix: string) {
  return (name: string, grammar: RegExp, takes: string): string | undefined => {
    const text = value(name)
    if (text === undefined || grammar.test(text)) return text
    throw new UsageError(`${settingPrefix}${name} takes ${takes}, not '${text}'`)
  }
}

function endpointOf(text: string | undefined, settingPrefix: string): string | undefined {
  if (text === undefined) return undefined
  // A secret may have a slash, and is then no part of a URL that anybody could find it in.
  if (text.includes('@'))
    throw new UsageError(`${settingPrefix}endpoint takes no key: it goes into ${settingPrefix}access-key-id`)
  const url = URL.parse(text)
  const plain =
    url !== null && ['http:', 'https:'].includes(url.protocol) && url.pathname === '/' && url.search + url.hash === ''
  if (!plain) throw new UsageError(`${settingPrefix}endpoint takes an http(s) URL without a path, not '${text}'`)
  return url.origin
}

/** Neither is repeated in an error: people mix them up. */
function credentialsOf(value: (name: string) => string | undefined, settingPrefix: string): S3Options['credentials'] {
  const [accessKeyId, secretAccessKey] = [value('access-key-id'), value('secret-access-key')]
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const missing = accessKeyId === undefined ? 'access-key-id' : 'secret-access-key'
    throw new UsageError(`${settingPrefix}${missing} is missing: the access key and its secret go together`)
  }
  for (const [name, text] of [
    ['access-key-id', accessKeyId],
    ['secret-access-key', secretAccessKey],
  ] as const)
    if (!/^[\x21-\x7e]{1,1024}$/.test(text))
      throw new UsageError(`${settingPrefix}${name} has a blank, a line break or a letter that no key has`)
  return { accessKeyId, secretAccessKey }
}

/** What S3 servers take for a part of a key everywhere. Those that keep files take no `.` and `..` for names. */
const PREFIX = /^(?!(?:.*\/)?\.{1,2}\/)(?:[\w!.*'()-]{1,255}\/)+$/

function prefixOf(text: string | undefined, settingPrefix: string): string {
  if (text === undefined || text === '') return ''
  const prefix = text.endsWith('/') ? text : `${text}/`
  if (PREFIX.test(prefix) && prefix.length <= LIMITS.s3PrefixLengthMax) return prefix
  throw new UsageError(
    `${settingPrefix}prefix takes names of letters, digits and ! - _ . * ' ( ) between single slashes, not '${text}'`,
  )
}
