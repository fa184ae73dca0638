import { inParallel } from '../../src/client/in-parallel.ts'
import { LIMITS } from '../../src/limits.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, URL_ARG } from '../client/client.ts'
import { TRANSFER_ARGS, IMPORT_NOTE, runTransfer } from '../transfer/run.ts'
import { projectsHere } from './import-depot.ts'
import { importFile } from './import-file.ts'
import { folderEntries } from './import-folder.ts'
import type { Environment } from '../environment.ts'

/** `depot python import`. */
export function pythonImportCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'python import',
    description: 'Bring the wheels and sdists of a folder into a depot, with their dates.',
    args: {
      folder: {
        type: 'positional',
        description: "pypiserver's folder, a wheelhouse, or what devpi-export wrote; folders in it too",
        required: true,
      },
      url: URL_ARG,
      ...CLIENT_ARGS,
      ...TRANSFER_ARGS,
    },
    notes:
      'A file was uploaded when devpi says so, else when it was last changed; what is no wheel and no sdist is listed as left out.\n' +
      `${IMPORT_NOTE}\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot python import /srv/pypi/packages --dry-run',
      'depot python import ./devpi-export/root/prod https://depot.example.org',
    ],
    async run({ flags, positionals }) {
      const [folder, url] = positionals
      if (folder === undefined) throw new UsageError('import what? Name the folder')
      return runTransfer({ url, flags, env, io }, async (run) => {
        const here = projectsHere(run.transfer)
        let found = 0
        await inParallel(folderEntries(folder), LIMITS.transferAtOnce, async (entry) => {
          const { item } = entry
          if (!('leftOut' in entry)) found++
          if ('path' in entry) await importFile({ ...run, ...entry, here })
          else if ('failed' in entry) run.report.add({ item, result: 'failed', reason: entry.failed })
          else run.report.add({ item, result: 'left out', reason: entry.leftOut })
        })
        if (found === 0) throw new UsageError(`there is no wheel and no sdist in ${folder}`)
      })
    },
  }
}
