import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

/** Where a part is (a program, a script, a folder, a URL), or why it cannot be used and how to get it. */
export type Found = { readonly path: string } | { readonly missing: string }

/** How long a program may take to say its version. */
export const TIME_LIMIT_MS = 20_000

const run = promisify(execFile)

/** The first candidate that runs. */
export async function program(
  candidates: readonly (string | undefined)[],
  missing: string,
  args = ['--version'],
): Promise<Found> {
  for (const candidate of candidates) {
    if (candidate !== undefined && (await runs(candidate, args))) return { path: candidate }
  }
  return { missing }
}

/** An npm as a script for our own Node: `npm` itself would start on the host's. */
export async function nodeScript(candidates: readonly (string | undefined)[], missing: string): Promise<Found> {
  for (const script of candidates) {
    if (script?.endsWith('npm-cli.js') && (await runs(process.execPath, [script, '--version']))) return { path: script }
  }
  return { missing }
}

export async function runs(command: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(command, args, { timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' })
    return true
  } catch {
    return false
  }
}

/** The first file of this name in a folder of PATH. */
export function onPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder))
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file))
}
