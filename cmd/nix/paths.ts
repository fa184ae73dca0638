import { DepotError } from '../../src/errors.ts'
import type { CliIo, Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, URL_ARG } from '../client/client.ts'
import { isOn, lastOf } from '../flags.ts'
import { listPaths, pathInfo, type ListedPath, type PathInfo } from './api.ts'
import { PATHS_ARG, pathsAndUrl } from './arguments.ts'
import { startProgress } from '../terminal/progress.ts'
import type { Environment } from '../environment.ts'
import { utcMinute } from '../terminal/table.ts'

/** `depot nix list`. */
export function nixListCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'nix list',
    description: 'List the store paths of a depot by their hashes: when each was stored, its size, its references.',
    args: {
      url: URL_ARG,
      ...CLIENT_ARGS,
      prefix: { type: 'string', description: 'Only those whose name or hash begins so', valueHint: 'NAME-or-HASH' },
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    notes: CREDENTIALS_NOTE,
    examples: ['depot nix list', 'depot nix list https://depot.example.org --prefix hello --json'],
    async run({ flags, positionals }) {
      const depot = await openDepot({ url: positionals[0], flags, env, io })
      const json = isOn(flags, 'json')
      using progress = startProgress(process.stdout.isTTY)
      if (!json) io.out(columns('stored', 'size', 'refs', 'path'))
      let count = 0
      for await (const page of listPaths(depot, (lastOf(flags, 'prefix') ?? '').replace(/^\/nix\/store\//, ''))) {
        for (const path of page) io.out(json ? JSON.stringify(path) : row(path))
        count += page.length
        progress.show(`${count} paths`)
      }
      return 0
    },
  }
}

/** `depot nix info`. */
export function nixInfoCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'nix info',
    description: 'Tell what a depot knows of store paths, what refers to them, and under which names they came.',
    args: { path: PATHS_ARG, ...CLIENT_ARGS, json: { type: 'boolean', description: 'One JSON object a line' } },
    repeats: true,
    notes: CREDENTIALS_NOTE,
    examples: ['depot nix info /nix/store/s5b00ijzqx4db8vf1bcbzgmv3wb3ildz-hello https://depot.example.org'],
    async run({ flags, positionals }) {
      const { hashes, url } = pathsAndUrl(positionals)
      const depot = await openDepot({ url, flags, env, io })
      let failed = 0
      for (const hash of hashes) {
        try {
          const info = await pathInfo(depot, hash)
          for (const line of isOn(flags, 'json') ? [JSON.stringify(info)] : lines(info)) io.out(line)
        } catch (error) {
          if (!(error instanceof DepotError)) throw error
          failed++
          io.err(`depot: ${hash}: ${error.message}`)
        }
      }
      return failed === 0 ? 0 : 1
    },
  }
}

function row({ path, narSize, references, since }: ListedPath): string {
  return columns(since === undefined ? '-' : utcMinute(since), String(narSize), String(references), path)
}

/** Of fixed width, because the rows come page by page; the path, which has any length, is the last. */
function columns(stored: string, size: string, references: string, path: string): string {
  return `${stored.padEnd(16)}  ${size.padStart(12)}  ${references.padStart(4)}  ${path}`
}

function lines(info: PathInfo): string[] {
  const { path, since, storedSize, referrers } = info
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['stored', since === undefined ? undefined : `${utcMinute(since)} UTC`],
    ['NAR', `${info.narHash}, ${info.narSize} bytes`],
    ['in storage', storedSize === undefined ? 'not to be had: damaged or gone' : `${storedSize} bytes`],
    ['deriver', info.deriver],
    ['CA', info.ca],
    ...info.uploads.map((name) => ['uploaded as', name] as const),
    ...info.signatures.map((signature) => ['signature', signature] as const),
    ...info.references.map((reference) => ['refers to', reference] as const),
    ...referrers.map((referrer) => ['needed by', referrer] as const),
    ['needed by', info.moreReferrers === true ? 'and more' : undefined],
  ]
  return [path, ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(11)}  ${value}`]))]
}
