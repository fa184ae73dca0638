import { inParallel } from '../../src/client/in-parallel.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, URL_ARG } from '../client/client.ts'
import { isOn, lastOf } from '../flags.ts'
import { TRANSFER_ARGS, IMPORT_NOTE, runTransfer } from '../transfer/run.ts'
import { importPackage } from './import-package.ts'
import { storedPackages } from './import-storage.ts'
import type { Environment } from '../environment.ts'

/** `depot npm import`. */
export function npmImportCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'npm import',
    description: 'Bring the packages of a Verdaccio into a depot, with their dates, tags, deprecations and readmes.',
    args: {
      url: URL_ARG,
      ...CLIENT_ARGS,
      verdaccio: { type: 'string', description: "Verdaccio's storage folder", valueHint: 'DIR' },
      'only-hosted': { type: 'boolean', description: 'Leave out what Verdaccio has only fetched from its uplinks' },
      ...TRANSFER_ARGS,
    },
    notes: `${IMPORT_NOTE}\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot npm import --verdaccio /verdaccio/storage --dry-run',
      'depot npm import --verdaccio /verdaccio/storage https://depot.example.org',
    ],
    async run({ flags, positionals }) {
      const storage = lastOf(flags, 'verdaccio')
      if (storage === undefined) throw new UsageError("import what? Name Verdaccio's storage folder: --verdaccio DIR")
      const onlyHosted = isOn(flags, 'only-hosted')
      return runTransfer({ url: positionals[0], flags, env, io }, (run) =>
        inParallel(storedPackages(storage), PACKAGES_AT_ONCE, async (entry) => {
          if ('folder' in entry) await importPackage({ ...run, ...entry, onlyHosted })
          else run.report.add({ item: entry.name, result: 'failed', reason: entry.problem })
        }),
      )
    },
  }
}

/** Each holds its package.json in memory; most packages have one or two versions. */
const PACKAGES_AT_ONCE = 4
