import { rewriteLock } from '../../protocols/npm/locks/rewrite-lock.ts'
import { LIMITS } from '../../src/limits.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { parsePlainUrl } from '../client/depot-url.ts'
import { lastOf } from '../flags.ts'
import { depotOf, lockFilesAndUrl, REWRITE_ARGS, runRewrite } from '../transfer/rewrite-run.ts'
import type { Environment } from '../environment.ts'
import { npmRegistry } from '../token/formats.ts'

/** `depot npm rewrite-lock`. */
export function npmRewriteLockCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'npm rewrite-lock',
    description:
      'Point the tarball addresses in lock files at a depot: yarn 1, and others at times, fetch from there only.',
    args: {
      ...REWRITE_ARGS,
      registry: { type: 'string', description: 'Point them at this registry instead of a depot', valueHint: 'URL' },
    },
    repeats: true,
    notes:
      'Only addresses of registry tarballs change; everything else in the file stays as it is, digests included, so an\n' +
      'install still verifies that it gets the same bytes. Git repositories and other addresses are named and left.',
    examples: [
      'depot npm rewrite-lock https://depot.example.org',
      'depot npm rewrite-lock --dry-run yarn.lock app/package-lock.json https://depot.example.org',
      'depot npm rewrite-lock --registry https://registry.npmjs.org',
    ],
    async run({ flags, positionals }) {
      const { files, url } = lockFilesAndUrl(positionals, USUAL)
      const named = lastOf(flags, 'registry')
      if (named !== undefined && url !== undefined) throw new UsageError('a depot or --registry, not both')
      const registry =
        named === undefined ? npmRegistry(await depotOf(url, env, io)) : parsePlainUrl(named, 'a registry').href
      const target = registry.replace(/\/+$/, '')
      return runRewrite({
        files,
        target,
        flags,
        io,
        charactersMax: LIMITS.npmLockLengthMax,
        rewrite: (filename, text) => rewriteLock(filename, text, target),
      })
    },
  }
}

const USUAL = ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock']
