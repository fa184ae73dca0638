import { readFileSync } from 'node:fs'

import { runCli, type Cli } from './cli.ts'

const cli: Cli = {
  version: versionOf(new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)),
  descriptions: {
    serve: 'Serve Nix, npm and Python clients',
    fsck: 'Check that everything that was stored is whole',
  },
  commands: {
    serve: async () => (await import('./serve.ts')).serveCommand(process.env),
    fsck: async () => (await import('./fsck.ts')).fsckCommand(process.env),
  },
  io: {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
  },
}

process.exitCode = await runCli(cli, process.argv.slice(2))

/** The sources lie one folder below package.json, the compiled files two. */
function versionOf(...places: readonly URL[]): string {
  for (const place of places) {
    try {
      const { version } = JSON.parse(readFileSync(place, 'utf8')) as { version: string }
      return version
    } catch {
      continue
    }
  }
  return 'unknown'
}
