import type { CliIo } from './cli.ts'

/** Where commands speak: results to standard output, everything else to standard error. */
export const STDIO: CliIo = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
}
