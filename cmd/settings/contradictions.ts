import { UsageError } from '../cli.ts'
import type { ServeConfig } from './config.ts'

/**
 * Settings of which each is good alone, and which contradict each other.
 *
 * @throws UsageError saying which, and what to do instead
 */
export function refuseContradictions(config: ServeConfig): void {
  refuseOpenDoor(config)
  if (config.requireTrustedSignature && config.trustedPublicKeys.length === 0)
    throw new UsageError('--require-trusted-signature needs --trusted-public-key: whose signature?')
  if (config.workers > 1 && config.storageType === 'memory')
    throw new UsageError('--storage-type memory is the memory of one process: it does not go with --workers')
}

/** Whoever reaches an open depot may replace what others install, so that must be asked for in so many words. */
function refuseOpenDoor({ loopback, insecureOpen, host, authFile, readAuth, audiences }: ServeConfig): void {
  if (authFile !== undefined && insecureOpen)
    throw new UsageError('--auth-file and --insecure-open contradict each other: give one of them')
  if (authFile === undefined && readAuth === 'always')
    throw new UsageError('--read-auth always needs --auth-file: without it nobody could show anything')
  if (loopback) return
  if (authFile === undefined && !insecureOpen) {
    throw new UsageError(
      `listening on ${host ?? 'every address'} would let everyone who can reach it read and write: give --auth-file, ` +
        'listen on 127.0.0.1, or say --insecure-open if that is what you want',
    )
  }
  // A login made for another server must not be good here, so the depot has to know its own name.
  if (authFile !== undefined && audiences.length === 0)
    throw new UsageError(
      `with --auth-file on ${host ?? 'every address'} say --public-url, which logins are made for (or --audience)`,
    )
}
