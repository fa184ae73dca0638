/** A key of an S3 account. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Where a bucket is, who we are there, and how objects are put into it. */
export interface S3Options {
  readonly bucket: string
  /** A server of one's own may have any name for it. */
  readonly region: string
  /** URL of an S3 server that is not AWS. */
  readonly endpoint?: string | undefined
  /** Without them the default chain of the AWS SDK: variables, ~/.aws, the role of a container or of a machine. */
  readonly credentials?: S3Credentials | undefined
  /** The bucket's name in the path and not in the host name. */
  readonly forcePathStyle: boolean
  /** What stands before every location: empty, or something that ends with a slash. */
  readonly prefix: string
  /** How S3 encrypts what it keeps, when not as the bucket says. */
  readonly encryption?: 'AES256' | 'aws:kms' | undefined
  /** Key of `aws:kms`; without it that of the account. */
  readonly kmsKeyId?: string | undefined
  readonly storageClass?: string | undefined
  /** Send a CRC-32 of everything; some servers of others take none. */
  readonly checksums: boolean
  /** What stands before the name of a setting where an error names it. */
  readonly settingPrefix: string
}

/** How long S3 may take; for tests, `LIMITS` otherwise. */
export interface S3Times {
  /** A body that does not move for so long is asked for anew. */
  readonly stallMs: number
  /** A read that is not answered for so long is sent once more beside. */
  readonly besideMs: number
  /** An upload in parts that was begun so long ago, and a probe that was put, is nobody's any more. */
  readonly abandonedMs: number
}
