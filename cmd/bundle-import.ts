import path from 'node:path'

import { ECOSYSTEMS } from '../protocols/index.ts'
import { importBundle } from '../src/node/import-bundle.ts'
import { openBundle, type OpenedBundle } from '../src/node/open-bundle.ts'
import { BUNDLE_DIR_ARG } from './bundle-create.ts'
import { readTrust, signerOf, TRUST_ARGS } from './bundle-keys.ts'
import { BUNDLE_ARG } from './bundle-verify.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from './cli.ts'
import { isOn, lastOf } from './flags.ts'
import { SAVED } from './save-run.ts'
import { startReport } from './transfer-report.ts'

/** `depot bundle import`. */
export function bundleImportCommand(io: CliIo): Command {
  return {
    name: 'bundle import',
    description: 'Verify a bundle, then unpack it beside what was saved.',
    args: {
      bundle: BUNDLE_ARG,
      dir: BUNDLE_DIR_ARG,
      ...TRUST_ARGS,
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    notes:
      'Nothing becomes visible before the signature and every byte of the bundle were checked. Start it again after it was stopped: what\n' +
      'is there and right is not written again.',
    examples: [
      'depot bundle import carry.tar --trusted-key /etc/depot/allowed_signers',
      'depot bundle import - --dir /srv/saved --trusted-key carry-1:…',
    ],
    async run({ flags, positionals: [place] }) {
      if (place === undefined) throw new UsageError('import what? Name the bundle')
      const trust = await readTrust(flags, Date.now())
      await using bundle = await openBundle(place, () => process.stdin)
      const signedBy = signerOf(bundle, trust)
      if (!isOn(flags, 'json')) io.out(signedBy)
      return await unpack(bundle, flags, io)
    },
  }
}

async function unpack(bundle: OpenedBundle, flags: ParsedArgs['flags'], io: CliIo): Promise<number> {
  const root = path.resolve(lastOf(flags, 'dir') ?? SAVED)
  using report = startReport({ io, json: isOn(flags, 'json'), verb: 'saved' })
  await importBundle({ bundle, root, ecosystems: ECOSYSTEMS, report })
  return report.finish()
}
