import { openAsBlob } from 'node:fs'
import path from 'node:path'

import { ECOSYSTEMS } from '../../protocols/index.ts'
import { bundledFiles } from '../../src/bundle/bundled-files.ts'
import { carriedBytes, findFaults } from '../../src/bundle/verify.ts'
import { savedBelow, type SavedFiles } from '../../src/client/saved-files.ts'
import { filePieces } from '../../src/node/file-pieces.ts'
import { heldBlob } from '../../src/node/held-blob.ts'
import { importBundle, refuseFaults } from '../../src/node/import-bundle.ts'
import { openBundle, type OpenedBundle } from '../../src/node/open-bundle.ts'
import { reportAbsent } from './absent.ts'
import { BUNDLE_DIR_ARG } from './create.ts'
import { readTrust, signerOf, TRUST_ARGS } from './keys.ts'
import { startBundleProgress } from './progress.ts'
import { BUNDLE_ARG } from './verify.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE } from '../client/client.ts'
import { isOn, lastOf } from '../flags.ts'
import { pushEcosystems, type SavedEcosystems } from '../push.ts'
import { SAVED } from '../transfer/save-run.ts'
import type { Environment } from '../environment.ts'
import { startReport } from '../transfer/report.ts'
import { runTransfer, TRANSFER_ARGS } from '../transfer/run.ts'
import { FROM_STDIN, TOKEN_ARG } from '../client/typed-token.ts'

/** `depot bundle import`. */
export function bundleImportCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'bundle import',
    description: 'Verify a bundle, then unpack it beside what was saved, or bring it into a depot.',
    args: {
      bundle: BUNDLE_ARG,
      url: {
        type: 'positional',
        description: 'URL of the depot that it goes into (default: it is unpacked into a folder)',
        required: false,
      },
      dir: BUNDLE_DIR_ARG,
      ...TRUST_ARGS,
      ...CLIENT_ARGS,
      ...TOKEN_ARG,
      ...TRANSFER_ARGS,
    },
    notes:
      'Nothing becomes visible before the signature and every byte of the bundle were checked. Start it again after it was stopped: what\n' +
      'is there and right is neither written nor sent again. For a depot nothing is unpacked, unless the bundle comes through a pipe or\n' +
      `is compressed: then into --dir first.\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot bundle import carry.tar --trusted-key /etc/depot/allowed_signers',
      'depot bundle import carry.tar https://depot.example.org --trusted-key /etc/depot/allowed_signers',
      'depot bundle import - --dir /srv/saved --trusted-key carry-1:…',
    ],
    async run({ flags, positionals: [place, url] }) {
      if (place === undefined) throw new UsageError('import what? Name the bundle')
      if (place === '-' && lastOf(flags, 'token') === FROM_STDIN)
        throw new UsageError('standard input is the bundle or the token, not both')
      if (url === undefined && isOn(flags, 'dry-run'))
        throw new UsageError(
          "--dry-run is for what goes into a depot: 'depot bundle verify' reads a bundle, and no more",
        )
      const trust = await readTrust(flags, Date.now())
      await using bundle = await openBundle(place, () => process.stdin)
      const signedBy = signerOf(bundle, trust)
      if (!isOn(flags, 'json')) io.out(signedBy)
      if (url === undefined) return await unpack(bundle, false, flags, io)
      const files = await verifiedFiles(bundle, flags, io)
      return await runTransfer({ url, flags, env, io }, async (run) => {
        await pushEcosystems(run, ecosystemsOf(bundle, files, place))
        await reportAbsent(run, bundle.manifest.files)
      })
    },
  }
}

async function unpack(
  bundle: OpenedBundle,
  incomplete: boolean,
  flags: ParsedArgs['flags'],
  io: CliIo,
): Promise<number> {
  using report = startReport({ io, json: isOn(flags, 'json'), verb: 'saved' })
  await importBundle({ bundle, root: rootOf(flags), ecosystems: ECOSYSTEMS, report, incomplete })
  return report.finish()
}

/** The files of a bundle, once all of it was read and found whole. What can be read only once is unpacked for that. */
async function verifiedFiles(bundle: OpenedBundle, flags: ParsedArgs['flags'], io: CliIo): Promise<SavedFiles> {
  const { stored, manifest } = bundle
  if (stored === undefined) {
    if (isOn(flags, 'dry-run'))
      throw new UsageError('a dry run unpacks nothing: it needs a bundle that lies in a file or folder, not compressed')
    await unpack(bundle, true, flags, io)
    const root = rootOf(flags)
    return bundledFiles(manifest.files, (file) => {
      const place = path.join(root, file.path)
      return heldBlob(file, { pieces: () => filePieces(place), open: () => openAsBlob(place) })
    })
  }
  using progress = startBundleProgress()
  progress.begin('verified', carriedBytes(bundle))
  refuseFaults(await findFaults(bundle, progress.moved))
  return bundledFiles(manifest.files, (file) => stored.blob(file))
}

/** Those that the bundle has something of. */
function ecosystemsOf({ manifest }: OpenedBundle, files: SavedFiles, place: string): SavedEcosystems {
  const there = new Set(manifest.files.map((file) => file.path.slice(0, file.path.indexOf('/'))))
  const named = ECOSYSTEMS.filter((name) => there.has(name))
  return Object.fromEntries(
    named.map((name) => [name, { files: savedBelow(files, name), place: `${name} in ${place}` }]),
  )
}

function rootOf(flags: ParsedArgs['flags']): string {
  return path.resolve(lastOf(flags, 'dir') ?? SAVED)
}
