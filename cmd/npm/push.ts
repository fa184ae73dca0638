import { pushNpm } from '../../protocols/npm/push/push.ts'
import { DepotError } from '../../src/errors.ts'
import type { CliIo, Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, URL_ARG } from '../client/client.ts'
import { pushArgs, PUSH_NOTE, runPush } from '../transfer/push-run.ts'
import { savedDirectory } from '../transfer/save-run.ts'
import type { Environment } from '../environment.ts'

/** `depot npm push`. */
export function npmPushCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'npm push',
    description: 'Bring npm packages that were saved into a depot, with their signatures and provenance.',
    args: { url: URL_ARG, ...CLIENT_ARGS, ...pushArgs('npm') },
    notes: `${PUSH_NOTE}\n\n${CREDENTIALS_NOTE}`,
    examples: ['depot npm push https://depot.example.org', 'depot npm push --dir /media/usb/npm --dry-run'],
    run: ({ flags, positionals }) => {
      const ecosystem = 'npm'
      return runPush({ ecosystem, url: positionals[0], flags, env, io }, async (run) => {
        if ((await pushNpm(run)) > 0) return
        const directory = savedDirectory({ ecosystem, flags, env })
        throw new DepotError(
          'NOT_FOUND',
          `${directory} holds no package with a metadata.json: depot npm save fills such a folder`,
        )
      })
    },
  }
}
