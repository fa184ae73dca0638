import type { FsckCounts } from '../src/fsck-blobs.ts'
import { fsck } from '../src/fsck.ts'
import { openStorage } from '../storage/open.ts'
import { UsageError, type Command } from './cli.ts'
import { storageConfig } from './settings/parse-config.ts'
import { SERVE_SETTINGS, STORAGE_SETTINGS } from './settings/serve.ts'
import { isOn } from './flags.ts'
import { CONFIG_ARGS, loadSettings, settingArgs, SETTINGS_NOTE } from './settings/load.ts'
import type { Environment } from './environment.ts'

/** `depot fsck`: compare what the database promises with what storage holds. */
export function fsckCommand(env: Environment): Command {
  return {
    name: 'fsck',
    description:
      'Check that every blob the database knows is stored whole. Changes nothing; safe beside a running server.',
    args: {
      ...settingArgs(STORAGE_SETTINGS),
      ...CONFIG_ARGS,
      full: { type: 'boolean', description: 'Read and hash every byte, rather than only compare sizes' },
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    notes: `${SETTINGS_NOTE}\n\nThe exit status is 1 when something is damaged. Sending a damaged blob again heals it.`,
    examples: ['depot fsck', 'depot fsck --full --store-path /srv/depot', 'depot fsck --full --json'],
    async run({ flags }) {
      // The file may configure the server too, so it is read by the server's table.
      const { values, warnings, home } = loadSettings(SERVE_SETTINGS, flags, env)
      for (const warning of warnings) process.stderr.write(`depot: ${warning}\n`)
      const json = isOn(flags, 'json')
      const full = isOn(flags, 'full')
      const config = storageConfig(values, env, home)
      if (config.storageType === 'memory')
        throw new UsageError('blobs in memory are gone with their server: there is nothing to check')
      await using storage = await openStorage({ ...config, existing: true })
      const counts: FsckCounts = { blobs: 0, references: 0, hashedBytes: 0 }
      let errors = 0
      for await (const finding of fsck({ ...storage, full, counts })) {
        if (finding.severity === 'error') errors++
        process.stdout.write(
          json
            ? `${JSON.stringify(finding)}\n`
            : `${finding.severity}: ${finding.kind} ${finding.subject}: ${finding.detail}\n`,
        )
      }
      const summary = { ...counts, errors }
      process.stdout.write(
        json
          ? `${JSON.stringify({ kind: 'summary', ...summary })}\n`
          : `${counts.blobs} blobs, ${counts.references} references, ${counts.hashedBytes} bytes hashed: ${errors} errors\n`,
      )
      return errors === 0 ? 0 : 1
    },
  }
}
