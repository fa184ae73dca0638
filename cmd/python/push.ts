import { pushPython } from '../../protocols/python/push/push.ts'
import { DepotError } from '../../src/errors.ts'
import type { CliIo, Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, URL_ARG } from '../client/client.ts'
import { pushArgs, PUSH_NOTE, runPush } from '../transfer/push-run.ts'
import { savedDirectory } from '../transfer/save-run.ts'
import type { Environment } from '../environment.ts'

/** `depot python push`. */
export function pythonPushCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python push',
    description: 'Bring wheels and sdists that were saved into a depot, with their dates, yanks and provenance.',
    args: { url: URL_ARG, ...CLIENT_ARGS, ...pushArgs('python') },
    notes: `${PUSH_NOTE}\n\n${CREDENTIALS_NOTE}`,
    examples: ['depot python push https://depot.example.org', 'depot python push --dir /media/usb/python --dry-run'],
    run: ({ flags, positionals }) => {
      const ecosystem = 'python'
      return runPush({ ecosystem, url: positionals[0], flags, env, io }, async (run) => {
        if ((await pushPython(run)) > 0) return
        const directory = savedDirectory({ ecosystem, flags, env })
        throw new DepotError(
          'NOT_FOUND',
          `${directory} holds no wheel and no sdist: depot python save fills such a folder`,
        )
      })
    },
  }
}
