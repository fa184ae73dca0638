import path from 'node:path'

import { ECOSYSTEMS } from '../../protocols/index.ts'
import { parseNarName } from '../../protocols/nix/nar-name.ts'
import { manifestOf } from '../../src/bundle/delta.ts'
import { carriedBlobs } from '../../src/bundle/layout.ts'
import { carriedBytes } from '../../src/bundle/verify.ts'
import { digestManifest, type BundleToWrite } from '../../src/bundle/write-tar.ts'
import { hasCode } from '../../src/errors.ts'
import { hashSaved, lockSaved, savedPieces, unchanged, type SavedToBundle } from '../../src/node/hash-saved.ts'
import { writeBundleFile, writeBundleFolder } from '../../src/node/write-bundle.ts'
import { writeVolumes } from '../../src/node/write-volumes.ts'
import { readDelta } from './delta.ts'
import { bundleForm, FORM_ARGS, stdoutFile, type BundleForm } from './form.ts'
import { findBundleKey } from './keys.ts'
import { startBundleProgress, type BundleProgress } from './progress.ts'
import type { CliIo, Command, ParsedArgs } from '../cli.ts'
import { isOn, lastOf } from '../flags.ts'
import { size } from '../terminal/pace.ts'
import { SAVED } from '../transfer/save-run.ts'
import type { Environment } from '../environment.ts'

/** The folder that a bundle is made of, or unpacked into. */
export const BUNDLE_DIR_ARG = {
  type: 'string',
  description: `Folder that holds npm/, python/ and nix/ (default: ${SAVED})`,
  valueHint: 'DIR',
} as const

/** `depot bundle create`. */
export function bundleCreateCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'bundle create',
    description: 'Make one file, or one folder, of everything that was saved.',
    args: {
      target: {
        type: 'positional',
        description: 'File to write; a folder when it ends in / or is one; - for standard output',
        required: true,
      },
      dir: BUNDLE_DIR_ARG,
      sign: {
        type: 'string',
        description: 'SSH key to sign with, its file or SHA256:… of one in the agent; or the file of a Nix secret key',
        valueHint: 'KEY',
      },
      since: {
        type: 'string',
        description: 'Leave out what this bundle brought, or the one of this manifest.json',
        valueHint: 'BUNDLE',
      },
      for: { type: 'string', description: 'Leave out what is in this inventory of a depot', valueHint: 'INVENTORY' },
      ...FORM_ARGS,
      json: { type: 'boolean', description: 'Tell the result as a JSON object' },
    },
    notes:
      'Every file is read twice, to hash it and to write it: one that changed in between ends it. A file, or its volumes, appear when all of\n' +
      'it is on the disk. A folder can be copied with rsync, and a run that was stopped goes on where it was. What is not carried is listed\n' +
      'all the same, so that a bundle made with --since can be the base of the next.',
    examples: [
      'depot bundle create carry.tar --sign ~/.ssh/id_ed25519',
      'depot bundle create /media/disk/carry.tar --split 4G --sign SHA256:…',
      'depot bundle create monday.tar --since friday.tar --sign ~/.ssh/id_ed25519',
      'depot bundle create - | ssh inside depot bundle import -',
    ],
    async run({ flags, positionals: [target] }) {
      const form = await bundleForm(target, flags)
      const deltaOf = await readDelta(flags)
      const named = lastOf(flags, 'sign')
      const key = named === undefined ? undefined : await findBundleKey(named, env, io)
      const root = path.resolve(lastOf(flags, 'dir') ?? SAVED)
      using progress = startBundleProgress()
      const saved = { root, ecosystems: ECOSYSTEMS, contentOf, moved: progress.moved }
      await using _lock = await lockSaved(saved)
      progress.begin('read')
      const files = await hashSaved(saved)
      const manifest = manifestOf(files, {
        created: `${new Date().toISOString().slice(0, 19)}Z`,
        ...(await deltaOf(files)),
      })
      const digests = digestManifest(manifest)
      const signature = await key?.sign(digests)
      const bundle = { manifest, digests, signature, pieces: savedPieces(root, manifest) }
      progress.begin('written', carriedBytes(bundle))
      const names = await write(form, bundle, saved, progress)
      progress[Symbol.dispose]()
      report({ bundle, names, signedBy: key?.who }, flags, form.kind === 'stdout' ? { ...io, out: io.err } : io)
      return 0
    },
  }
}

async function write(
  form: BundleForm,
  bundle: BundleToWrite,
  { root }: SavedToBundle,
  progress: BundleProgress,
): Promise<readonly string[]> {
  if (form.kind === 'folder') {
    await unchanged(root, () => writeBundleFolder(form.folder, bundle, progress.moved))
    return [form.folder]
  }
  await using file = form.kind === 'stdout' ? stdoutFile() : await writeVolumes(form.file, form.volumeBytes)
  const counted = async (bytes: Uint8Array): Promise<void> => {
    await file.write(bytes)
    progress.moved(bytes.length)
  }
  await unchanged(root, () => writeBundleFile(counted, bundle, form.level))
  return await file.finish()
}

interface Result {
  readonly bundle: BundleToWrite
  readonly names: readonly string[]
  readonly signedBy: string | undefined
}

function report({ bundle, names, signedBy }: Result, flags: ParsedArgs['flags'], io: CliIo): void {
  const { manifest, digests } = bundle
  const carried = manifest.files.filter((file) => file.carried).length
  const bytes = carriedBytes(bundle)
  if (isOn(flags, 'json')) {
    const { sha256 } = digests
    const counts = { files: manifest.files.length, carried, blobs: carriedBlobs(manifest.files).length, bytes }
    return io.out(JSON.stringify({ written: names, sha256, base: manifest.base, ...counts, signedBy }))
  }
  for (const name of names) io.out(name)
  const rest = manifest.files.length - carried
  io.out(`${carried} files (${size(bytes)})${rest === 0 ? '' : `, and ${rest} that the other side has`}`)
  io.out(`manifest sha256 ${digests.sha256}, ${signedBy === undefined ? 'not signed' : `signed by ${signedBy}`}`)
  if (signedBy === undefined)
    io.err('depot: the other side takes what is not signed only with --allow-unsigned; --sign KEY signs it')
}

/** The NarHash of an archive that a save has named by it. */
function contentOf(file: string): string | undefined {
  const [ecosystem, folder, name, ...more] = file.split('/')
  if (ecosystem !== 'nix' || folder !== 'nar' || name === undefined || more.length > 0) return undefined
  try {
    return parseNarName(name).digest
  } catch (error) {
    if (hasCode(error, 'INVALID_NAME')) return undefined
    throw error
  }
}
