import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { auth } from './auth.ts'
import { localStore } from './local-store.ts'
import { coldStartAndMemory } from './memory.ts'
import { output } from './load.ts'
import { proxied } from './proxied.ts'
import { reads } from './reads.ts'
import { uploads } from './uploads.ts'

/** One line of the table: a figure, what it is compared with, and what was aimed at. */
export interface Row {
  readonly name: string
  readonly ours: string
  readonly peer: string
  readonly ratio: number | undefined
  readonly target: string
  readonly met: boolean
}

const SECTIONS = {
  reads,
  uploads,
  proxy: proxied,
  auth,
  'local-store': localStore,
  memory: coldStartAndMemory,
} as const

/** `npm run bench [-- section …]`: measure the built depot beside nginx and write the table. Needs nginx, wrk, xz, zstd and nix. */
async function main(names: readonly string[]): Promise<void> {
  const wanted = names.length === 0 ? Object.keys(SECTIONS) : names
  const dir = await mkdtemp(path.join(tmpdir(), 'depot-bench-'))
  const rows: Row[] = []
  try {
    for (const name of wanted) {
      const section = SECTIONS[name as keyof typeof SECTIONS]
      for (const row of await section(path.join(dir, name))) {
        rows.push(row)
        process.stdout.write(`${line(row)}\n`)
      }
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  if (names.length === 0) await writeFile(path.join(import.meta.dirname, 'RESULTS.md'), await report(rows))
}

function line({ name, ours, peer, ratio, target, met }: Row): string {
  return `| ${name} | ${ours} | ${peer} | ${ratio === undefined ? '' : ratio.toFixed(2)} | ${target} | ${met ? 'yes' : '**no**'} |`
}

async function report(rows: readonly Row[]): Promise<string> {
  const versions = [
    `Node ${process.versions.node}`,
    (await output('sh', ['-c', 'nginx -v 2>&1'])).trim(),
    (await output('sh', ['-c', 'wrk -v 2>&1 | head -1 || true'])).trim(),
    (await output('sh', ['-c', 'zstd --version'])).trim(),
  ]
  return `# Figures

Written by \`npm run bench\`, which builds nothing: run \`npm run build\` first. Each figure is the median of interleaved rounds on one machine
(${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)} at the end); nginx has one worker, sendfile and its access log on, and serves the same bytes from a file.
Only the ratios travel: absolute figures differ between machines and hours.

${versions.map((version) => `- ${version}`).join('\n')}

| figure | depot | beside it | ratio | aim | met |
|---|---|---|---|---|---|
${rows.map(line).join('\n')}
`
}

await main(process.argv.slice(2))
