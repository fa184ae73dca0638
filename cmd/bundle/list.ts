import { readSshSignature } from '../../auth/ssh-signature.ts'
import type { BundledFile, Manifest } from '../../src/bundle/manifest.ts'
import { openManifest } from './delta.ts'
import { BUNDLE_ARG } from './verify.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { isOn } from '../flags.ts'
import { size } from '../terminal/pace.ts'
import { plain, plainJson } from '../terminal/plain.ts'
import { table } from '../terminal/table.ts'

const JSON_ARG = { type: 'boolean', description: 'One JSON object a line' } as const

/** `depot bundle list`. */
export function bundleListCommand(io: CliIo): Command {
  return {
    name: 'bundle list',
    description: 'Show what is in a bundle, by its manifest. Nothing is verified.',
    args: {
      bundle: BUNDLE_ARG,
      files: { type: 'boolean', description: 'Every file, instead of a summary' },
      json: JSON_ARG,
    },
    examples: ['depot bundle list carry.tar', 'depot bundle list carry.tar --files', 'depot bundle list manifest.json'],
    async run({ flags, positionals: [place] }) {
      if (place === undefined) throw new UsageError('list what? Name the bundle')
      const { manifest, digests, signature } = await openManifest(place)
      const json = isOn(flags, 'json')
      if (isOn(flags, 'files')) {
        for (const file of manifest.files) io.out(json ? plainJson(file) : fileLine(file))
        return 0
      }
      const { created, base } = manifest
      const signedBy = signature === undefined ? undefined : claimOf(signature)
      const summary = summaryOf(manifest)
      if (json) {
        io.out(plainJson({ sha256: digests.sha256, created, base, signedBy, ecosystems: summary }))
        return 0
      }
      io.out(`made ${created}, manifest sha256 ${digests.sha256}`)
      if (base !== undefined) io.out(`goes on from the bundle of manifest sha256 ${base}`)
      io.out(signedBy === undefined ? 'not signed' : `signed by ${plain(signedBy)}, which 'depot bundle verify' checks`)
      const rows = summary.map((one) => [
        one.ecosystem,
        `${one.files} files`,
        size(one.bytes),
        one.notCarried === 0 ? '' : `and ${one.notCarried} files that the other side has`,
      ])
      for (const line of table(rows)) io.out(line)
      return 0
    },
  }
}

/** `depot bundle diff`. */
export function bundleDiffCommand(io: CliIo): Command {
  return {
    name: 'bundle diff',
    description: 'Show what a bundle has that another has not, by their manifests.',
    args: {
      before: { ...BUNDLE_ARG, description: 'A bundle, or its manifest.json' },
      after: { ...BUNDLE_ARG, description: 'Another one' },
      json: JSON_ARG,
    },
    notes: 'Whether a bundle carries a file, or only lists it, makes no difference here.',
    examples: ['depot bundle diff friday.tar monday.tar'],
    async run({ flags, positionals: [before, after] }) {
      if (before === undefined || after === undefined) throw new UsageError('compare what? Name two bundles')
      if (before === '-' && after === '-') throw new UsageError('standard input is one bundle, not two')
      const [old, now] = [(await openManifest(before)).manifest, (await openManifest(after)).manifest]
      const changes = changesOf(old, now)
      for (const change of changes) {
        const { path, result, sizeBytes } = change
        io.out(
          isOn(flags, 'json')
            ? plainJson(change)
            : `${result.padEnd(8)}${size(sizeBytes).padStart(10)}  ${plain(path)}`,
        )
      }
      if (!isOn(flags, 'json')) io.out(totals(changes))
      return 0
    },
  }
}

interface Change {
  readonly path: string
  readonly result: 'added' | 'removed' | 'changed'
  /** Of the later file; of the earlier one when it was removed. */
  readonly sizeBytes: number
}

function changesOf(before: Manifest, after: Manifest): readonly Change[] {
  const old = new Map(before.files.map((file) => [file.path, file]))
  const now = new Set(after.files.map(({ path }) => path))
  const changed = after.files.flatMap(({ path, sha256, sizeBytes }): Change[] => {
    const there = old.get(path)
    if (there?.sha256 === sha256) return []
    return [{ path, result: there === undefined ? 'added' : 'changed', sizeBytes }]
  })
  const removed = before.files
    .filter(({ path }) => !now.has(path))
    .map(({ path, sizeBytes }): Change => ({ path, result: 'removed', sizeBytes }))
  return [...changed, ...removed]
}

function totals(changes: readonly Change[]): string {
  const told = (['added', 'changed', 'removed'] as const).map((wanted) => {
    const some = changes.filter(({ result }) => result === wanted)
    return `${some.length} ${wanted} (${size(some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))})`
  })
  return told.join(', ')
}

function fileLine({ path, sha256, sizeBytes, carried }: BundledFile): string {
  return `${sha256}  ${String(sizeBytes).padStart(12)}  ${plain(path)}${carried ? '' : '  (not carried)'}`
}

interface Summary {
  readonly ecosystem: string
  readonly files: number
  readonly bytes: number
  readonly notCarried: number
}

function summaryOf({ files }: Manifest): readonly Summary[] {
  const byEcosystem = Map.groupBy(files, ({ path }) => path.slice(0, path.indexOf('/')))
  return [...byEcosystem].map(([ecosystem, all]) => {
    const carried = all.filter((file) => file.carried)
    const bytes = carried.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return { ecosystem, files: carried.length, bytes, notCarried: all.length - carried.length }
  })
}

/** Whose signature it says it is. */
function claimOf(signature: string): string {
  if (!signature.startsWith('-----')) return `the Nix key ${signature.slice(0, signature.indexOf(':'))}`
  const { type, fingerprint } = readSshSignature(signature).key
  return `${type} ${fingerprint}`
}
