import { rewriteLock } from '../../protocols/python/locks/rewrite-lock.ts'
import { LIMITS } from '../../src/limits.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { below, depotKey, parsePlainUrl } from '../client/depot-url.ts'
import { lastOf } from '../flags.ts'
import { depotOf, lockFilesAndUrl, REWRITE_ARGS, runRewrite } from '../transfer/rewrite-run.ts'
import type { Environment } from '../environment.ts'

/** `depot python rewrite-lock`. */
export function pythonRewriteLockCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python rewrite-lock',
    description: 'Point the addresses in lock files at a depot: uv.lock and pylock.toml are installed from there only.',
    args: {
      ...REWRITE_ARGS,
      'index-url': {
        type: 'string',
        description: "A depot's index, when it is another cache or behind another path",
        valueHint: 'URL',
      },
    },
    repeats: true,
    notes:
      'Addresses of wheels, sdists and indexes change; everything else in the file stays as it is, hashes included, so an install\n' +
      'still verifies that it gets the same bytes. Repositories and folders are named and left. Nobody is asked whether the depot\n' +
      'has the files: depot python save and push bring them there.',
    examples: [
      'depot python rewrite-lock https://depot.example.org',
      'depot python rewrite-lock --dry-run uv.lock app/pylock.toml https://depot.example.org',
      'depot python rewrite-lock --check --index-url https://depot.example.org/python/simple/',
    ],
    async run({ flags, positionals }) {
      const { files, url } = lockFilesAndUrl(positionals, USUAL)
      const named = lastOf(flags, 'index-url')
      if (named !== undefined && url !== undefined) throw new UsageError('a depot or --index-url, not both')
      const python = named === undefined ? below(await depotOf(url, env, io), '/python').href : pythonOf(named)
      return runRewrite({
        files,
        target: python,
        flags,
        io,
        charactersMax: LIMITS.lockFileCharsMax,
        rewrite: (filename, text) => rewriteLock(filename, text, python),
      })
    },
  }
}

const USUAL = ['uv.lock', 'pylock.toml', 'poetry.lock', 'pdm.lock', 'Pipfile.lock', 'requirements.txt']

/** Other indexes have their files wherever they like. @throws UsageError */
function pythonOf(index: string): string {
  const [, python] = /^(.*)\/simple\/?$/.exec(depotKey(parsePlainUrl(index, 'an index'))) ?? []
  if (python !== undefined) return python
  throw new UsageError(
    "the index of a depot ends in /simple/: only a depot's files have addresses that follow from their names",
  )
}
