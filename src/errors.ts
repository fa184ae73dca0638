/** Every expected failure and the HTTP status it is answered with. The codes are contract, the messages are prose. */
export const ERROR_STATUS = {
  /** The request is not one that this resource understands. */
  BAD_REQUEST: 400,
  /** A name, version, file name or URL segment outside its grammar. */
  INVALID_NAME: 400,
  /** The body ended early, or was not the length it was declared to be. */
  BODY_TRUNCATED: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  /** The name is taken by other bytes. */
  CONFLICT: 409,
  /** Another writer came first: read again and retry. */
  WRITE_CONFLICT: 409,
  TOO_LARGE: 413,
  /** A compression or content coding that this depot does not read. */
  UNSUPPORTED_CODEC: 415,
  RANGE_NOT_SATISFIABLE: 416,
  /** The Host header names a site that this depot is not. */
  MISDIRECTED: 421,
  /** The bytes disagree with a declared hash, size or name, or are not the archive they claim to be. */
  CONTENT_MISMATCH: 422,
  /** An address that has shown too many bad logins, or more that wait than may: wait. */
  TOO_MANY_REQUESTS: 429,
  STORAGE_DOWN: 503,
  /** The answer needs an absolute URL and nobody said which: set --public-url. */
  PUBLIC_URL_UNKNOWN: 503,
  STORAGE_FULL: 507,
} as const

export type ErrorCode = keyof typeof ERROR_STATUS

export interface DepotErrorOptions extends ErrorOptions {
  /** A status that one protocol's clients need instead of the table's: npm and Python say 400 where Nix says 422. */
  readonly status?: number
  /** Response headers that belong to the failure: Allow, Content-Range, Retry-After. */
  readonly headers?: Readonly<Record<string, string>>
}

/** An expected failure. Anything else that is thrown is a bug: log it whole, answer a bare 500. */
export class DepotError extends Error {
  override readonly name = 'DepotError'
  readonly code: ErrorCode
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ErrorCode, message: string, options: DepotErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.status = options.status ?? ERROR_STATUS[code]
    this.headers = options.headers ?? {}
  }
}

/** True for a DepotError with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is DepotError {
  return error instanceof DepotError && error.code === code
}
