import type { OpenedBundle } from '../../src/node/open-bundle.ts'
import { openBundle } from '../../src/node/open-bundle.ts'
import { carriedBytes, findFaults } from '../../src/bundle/verify.ts'
import { DepotError } from '../../src/errors.ts'
import { readTrust, signerOf, TRUST_ARGS, type Trust } from './keys.ts'
import { startBundleProgress } from './progress.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { isOn } from '../flags.ts'
import { size } from '../terminal/pace.ts'
import { plain, plainJson } from '../terminal/plain.ts'

/** The positional of commands that read a bundle. */
export const BUNDLE_ARG = {
  type: 'positional',
  description: 'The bundle: its file, or that of its volumes without .001, its folder, or - for standard input',
  required: true,
} as const

/** `depot bundle verify`. */
export function bundleVerifyCommand(io: CliIo): Command {
  return {
    name: 'bundle verify',
    description: 'Check who signed a bundle and that it is whole. Changes nothing.',
    args: {
      bundle: BUNDLE_ARG,
      ...TRUST_ARGS,
      json: { type: 'boolean', description: 'Tell the result as a JSON object' },
    },
    notes: 'Says all that is wrong, a line each, and ends with 1 then.',
    examples: [
      "depot bundle verify carry.tar --trusted-key 'ssh-ed25519 AAAA…'",
      'depot bundle verify /media/disk/carry.tar --trusted-key /etc/depot/allowed_signers',
    ],
    async run({ flags, positionals: [place] }) {
      if (place === undefined) throw new UsageError('verify what? Name the bundle')
      const trust = await readTrust(flags, Date.now())
      await using bundle = await openBundle(place, () => process.stdin)
      const { signedBy, faults } = await verify(bundle, trust)
      const { manifest, digests } = bundle
      const bytes = carriedBytes(bundle)
      const carried = manifest.files.filter((file) => file.carried).length
      const counts = { files: manifest.files.length, carried, bytes }
      if (isOn(flags, 'json'))
        io.out(plainJson({ whole: faults.length === 0, sha256: digests.sha256, ...counts, signedBy, faults }))
      else if (faults.length > 0) for (const fault of faults) io.err(`depot: ${fault}`)
      else io.out(`whole: ${carried} files (${size(bytes)}), ${plain(signedBy ?? '')}`)
      return faults.length === 0 ? 0 : 1
    },
  }
}

async function verify(
  bundle: OpenedBundle,
  trust: Trust,
): Promise<{ readonly signedBy: string | undefined; readonly faults: readonly string[] }> {
  using progress = startBundleProgress()
  progress.begin('verified', carriedBytes(bundle))
  let signedBy: string | undefined
  const faults: string[] = []
  try {
    signedBy = signerOf(bundle, trust)
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    faults.push(error.message)
  }
  faults.push(...(await findFaults(bundle, progress.moved)).map(plain))
  return { signedBy, faults }
}
