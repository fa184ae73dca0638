import { DepotError } from '../../../src/errors.ts'
import { messageOf, systemCode } from '../../../src/thrown.ts'
import type { S3Options } from './options.ts'

/** What S3 or the way to it refused, in words that one can act upon. */
export interface S3Fault {
  /** The word of S3 or of the system, for whoever searches for it. */
  readonly code: string
  readonly isFull: boolean
  /** Which setting is wrong, or what else to do. */
  readonly advice: string
}

type Named = Pick<
  S3Options,
  'bucket' | 'region' | 'endpoint' | 'credentials' | 'forcePathStyle' | 'encryption' | 'settingPrefix'
>

/** What went wrong, or undefined for an error that is no failure of S3 but a mistake of ours. */
export function s3FaultOf(error: unknown, options: Named): S3Fault | undefined {
  if (!(error instanceof Error)) return undefined
  const code = codeOf(error)
  if (code === undefined) return undefined
  const isFull = FULL.has(code) || statusOf(error) === 507
  return { code, isFull, advice: isFull ? 'there is no room left in it' : adviceOn(code, error, options) }
}

/** An error of S3 as the one that callers know; any other as it is. Nothing of what was sent is in it. */
export function s3Error(error: unknown, options: Named): unknown {
  if (error instanceof DepotError) return error
  const fault = s3FaultOf(error, options)
  if (fault === undefined) return error
  const cause = new Error(`the bucket ${options.bucket}: ${fault.advice} (${fault.code})`)
  return fault.isFull
    ? new DepotError('STORAGE_FULL', 'the blob store is full: free some space and try again', { cause })
    : new DepotError('STORAGE_DOWN', `the blob store cannot be used (${fault.code}): try again later`, { cause })
}

/** True when S3 says that there is no such object. */
export function isMissingObject(error: unknown): boolean {
  return error instanceof Error && error.name === 'NoSuchKey'
}

/** True when somebody says that there is nothing: S3, or a proxy before it that does not find it. */
export function isNotFound(error: unknown): boolean {
  return isMissingObject(error) || (error instanceof Error && error.name === 'NotFound')
}

/** True when an upload in parts, or a part of it, is not there any more. */
export function isForgottenUpload(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchUpload' || error.name === 'InvalidPart')
}

export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  return (error.$metadata as { readonly httpStatusCode?: number }).httpStatusCode
}

/** Nothing was answered within the time there is. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** The body of an answer ended early, or stood still. */
export class BodyCut extends Error {
  override readonly name = 'BodyCut'
}

const FULL = new Set([
  'QuotaExceeded',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'InsufficientStorage',
  'ENOSPC',
])

/** The names that errors have without S3 having said anything. */
const OWN = new Set([
  'NoAnswer',
  'BodyCut',
  'TimeoutError',
  'AbortError',
  'CredentialsProviderError',
  'TokenProviderError',
])

function codeOf(error: Error): string | undefined {
  const status = statusOf(error)
  // A HEAD has no body that could say more.
  if (status !== undefined) return BARE.has(error.name) ? `${status}` : error.name
  const system = systemCode(error)
  if (system !== undefined && !system.startsWith('ERR_')) return system
  return OWN.has(error.name) ? error.name : system?.startsWith('ERR_TLS') === true ? system : undefined
}

const BARE = new Set(['Error', 'UnknownError', 'Unknown'])

interface Rule {
  readonly when: RegExp
  readonly say: (name: (setting: string) => string, options: Named, error: Error) => string
}

/** Where a key is from that no setting gave. */
const FOUND = 'the AWS SDK found (AWS_ACCESS_KEY_ID, ~/.aws, a role)'

/** First come, first served. */
const RULES: readonly Rule[] = [
  {
    when: /^(?:InvalidAccessKeyId|InvalidAccessKey|XAdminUserNotFound|XAdminNoSuchUser|XMinioInvalidAccessKeyId)$/,
    say: (name, { credentials }) =>
      credentials === undefined
        ? `S3 does not know the access key that ${FOUND}: mend it there, or give ${name('access-key-id')}`
        : `S3 does not know ${name('access-key-id')}`,
  },
  {
    when: /^SignatureDoesNotMatch$/,
    say: (name, { credentials }) =>
      credentials === undefined
        ? `the secret that ${FOUND} is not that of its access key`
        : `${name('secret-access-key')} is not the secret of that key`,
  },
  {
    when: /^(?:ExpiredToken|ExpiredTokenException|InvalidToken|TokenRefreshRequired|TokenProviderError)$/,
    say: (name) =>
      `the credentials have expired: renew them, or give ${name('access-key-id')} and ${name('secret-access-key')}`,
  },
  {
    when: /^CredentialsProviderError$/,
    say: (name, _, error) =>
      `no credentials: give ${name('access-key-id')} and ${name('secret-access-key')}, or what the AWS SDK looks for (AWS_PROFILE, ~/.aws, a role): ${firstLine(error)}`,
  },
  { when: /^NoSuchBucket$/, say: (name) => `${name('bucket')}: there is no such bucket` },
  // Without a word on what is missing, as to a HEAD, or from something before S3.
  {
    when: /^(?:404|NotFound)$/,
    say: (name, { endpoint }) =>
      endpoint === undefined
        ? `${name('bucket')}: there is no such bucket`
        : `${name('bucket')}: there is no such bucket, or ${name('endpoint')} ${endpoint} is no S3 server`,
  },
  { when: /^InvalidBucketName$/, say: (name) => `${name('bucket')}: that is no name of a bucket` },
  {
    when: /^(?:AuthorizationHeaderMalformed|PermanentRedirect|TemporaryRedirect|Redirect|IllegalLocationConstraintException|InvalidRegion|XMinioInvalidRegion|IncorrectEndpoint|301|307)$/,
    say: (name, { region }, error) => `${name('region')} ${region} is not that of the bucket${otherRegion(error)}`,
  },
  {
    when: /^(?:RequestTimeTooSkewed|RequestExpired|RequestInTheFuture)$/,
    say: () => 'the clock of this machine and that of S3 are too far apart: set the clock',
  },
  {
    when: /^(?:AccessDenied|AllAccessDisabled|AccountProblem|403)$/,
    say: (name, { credentials }) =>
      `${credentials === undefined ? `the access key that ${FOUND}` : name('access-key-id')}: it may not do all that is needed (s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload)`,
  },
  {
    when: /^(?:ObjectParentIsFile|ExistingObjectIsDirectory|XMinioParentIsObject|XMinioObjectExistsAsDirectory|ObjectExistsAsDirectory|DirectoryObjectContainsData)$/,
    say: (name) => `an object of somebody else is in the way: remove it, or set ${name('prefix')}`,
  },
  { when: /^InvalidStorageClass$/, say: (name) => `${name('storage-class')}: S3 does not know it` },
  {
    when: /^(?:KMS\..*|.*Kms.*|.*KMS.*|InvalidEncryption.*|InvalidEncryptionAlgorithmError|ServerSideEncryptionConfigurationNotFoundError)$/,
    say: (name) => `${name('server-side-encryption')}: S3 cannot encrypt with it`,
  },
  {
    when: /^(?:NotImplemented|InvalidRequest|XAmzContentSHA256Mismatch|501)$/,
    say: (name, { encryption }) =>
      encryption === undefined
        ? `it does not do all that is asked of it: try ${name('checksums')}=false`
        : `it does not do all that is asked of it: try without ${name('server-side-encryption')}, or ${name('checksums')}=false`,
  },
  {
    when: /^(?:ENOTFOUND|EAI_AGAIN)$/,
    say: (name, { bucket, endpoint, forcePathStyle }) =>
      endpoint === undefined || forcePathStyle
        ? `${endpoint ?? 'the host name of AWS'} is not known here: ${name(endpoint === undefined ? 'region' : 'endpoint')}`
        : `no host is called ${bucket}.${new URL(endpoint).hostname}: is it ${name('endpoint')}, or does it need ${name('force-path-style')}?`,
  },
  {
    when: /^(?:.*CERT.*|UNABLE_TO_.*|ERR_TLS.*)$/,
    say: (name, { endpoint }) =>
      `the certificate of ${endpoint === undefined ? 'AWS' : `${name('endpoint')} ${endpoint}`} cannot be trusted here: NODE_EXTRA_CA_CERTS names a file with that of its CA`,
  },
  {
    when: /^(?:EPROTO|.*_SSL_.*)$/,
    say: (name, { endpoint }) =>
      `${name('endpoint')} ${endpoint ?? 'AWS'} does not speak TLS as it should: is it http:// and not https://?`,
  },
  {
    when: /^(?:2\d\d|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|HPE_.*|NoAnswer|BodyCut|TimeoutError|AbortError)$/,
    say: (name, { endpoint }) =>
      endpoint === undefined
        ? `AWS does not answer: is there a way to it, and is ${name('region')} right? Another S3 server is named by ${name('endpoint')}`
        : `${name('endpoint')} ${endpoint} does not answer as an S3 server does`,
  },
]

function adviceOn(code: string, error: Error, options: Named): string {
  const rule = RULES.find(({ when }) => when.test(code))
  if (rule !== undefined) return rule.say((setting) => options.settingPrefix + setting, options, error)
  return `S3 refused: ${firstLine(error)}`
}

/** Where the bucket really is, when S3 says so: as a field, in a header, or in its sentence. */
function otherRegion(error: Error): string {
  const field = 'Region' in error && typeof error.Region === 'string' ? error.Region : undefined
  const response = '$response' in error ? (error.$response as { readonly headers?: Record<string, string> }) : undefined
  const told =
    field ?? response?.headers?.['x-amz-bucket-region'] ?? /expecting '([a-z0-9-]+)'/.exec(error.message)?.[1]
  return told === undefined ? '' : `: S3 names ${told}`
}

function firstLine(error: Error): string {
  return messageOf(error).split('\n', 1)[0]?.slice(0, 200) ?? ''
}
