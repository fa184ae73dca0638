import { z } from 'zod'

import type { Ended, Programs } from '../../../src/client/programs.ts'
import { DepotError } from '../../../src/errors.ts'
import { parseJson } from '../../../src/http/body.ts'
import { parseAs } from '../../../src/http/parse-as.ts'
import { parseStorePath } from '../store-path.ts'

/** The Nix of this machine, 2.8 or newer, and the store that it works on. */
export interface Nix {
  readonly programs: Programs
  /** As `--store` takes it; `/` for the one of this machine. */
  readonly root: string
}

/** What an installable stands for, by base names. */
export interface Evaluated {
  /** None for a path of the store. */
  readonly derivation?: string
  /** Not those that are known only once they were built. */
  readonly outputs: readonly string[]
}

/**
 * What Nix makes of an installable: `nixpkgs#hello`, `./result`, `/nix/store/….drv^out`.
 *
 * @param options `build`: whatever is not in the store yet is built or fetched
 * @throws DepotError `NOT_FOUND` when there is no Nix, `BAD_REQUEST` with what Nix said
 */
export async function evaluate(
  nix: Nix,
  installable: string,
  { build }: { readonly build: boolean },
): Promise<readonly Evaluated[]> {
  const mode = build ? [] : ['--dry-run']
  const said = await runNix(nix, ['build', '--no-link', '--json', ...mode, notAnOption(installable)])
  return parseAs(built, parseJson(said), `what nix build says of ${installable}`)
}

/** The sources of a flake and of all its inputs, in the store from now on. @throws DepotError as `evaluate` */
export async function flakeSources(nix: Nix, flake: string): Promise<readonly string[]> {
  const [reference = ''] = flake.split('#', 1)
  const said = await runNix(nix, ['flake', 'archive', '--json', notAnOption(reference === '' ? '.' : reference)])
  const paths: string[] = []
  const walk = (source: Archived): void => {
    if (source.path !== undefined) paths.push(baseName(source.path))
    for (const input of Object.values(source.inputs ?? {})) walk(input)
  }
  walk(parseAs(archived, parseJson(said), `what nix flake archive says of ${flake}`))
  return [...new Set(paths)]
}

/**
 * The outputs of a derivation, built or fetched where they are not in the store.
 *
 * @throws DepotError as `evaluate`
 */
export async function realise({ programs, root }: Nix, derivation: string): Promise<readonly string[]> {
  const args = ['--realise', ...storeArgs(root), `/nix/store/${derivation}`]
  const said = succeeded(await programs.run('nix-store', { args }), 'nix-store --realise')
  const lines = said.split('\n').filter((line) => line !== '')
  return lines.map((line) => baseName(line.replace(/!.*$/, '')))
}

/** Newer ones print a path of the store as such, older ones as an object. */
const built = z.array(
  z
    .union([
      z.string().transform((path) => ({ path })),
      z.object({
        path: z.string().optional(),
        drvPath: z.string().optional(),
        outputs: z.record(z.string(), z.string().nullable()).optional(),
      }),
    ])
    .transform((said): Evaluated => {
      const { path, drvPath, outputs = {} } = { outputs: undefined, drvPath: undefined, ...said }
      const paths = [path, ...Object.values(outputs)].filter((one) => typeof one === 'string')
      return {
        ...(drvPath === undefined ? {} : { derivation: baseName(drvPath) }),
        outputs: paths.map(baseName),
      }
    }),
)

interface Archived {
  readonly path?: string | undefined
  readonly inputs?: Readonly<Record<string, Archived>> | undefined
}

const archived: z.ZodType<Archived> = z.object({
  path: z.string().optional(),
  get inputs() {
    return z.record(z.string(), archived).optional()
  },
})

async function runNix({ programs, root }: Nix, args: readonly string[]): Promise<string> {
  const features = ['--extra-experimental-features', 'nix-command flakes']
  const ended = await programs.run('nix', { args: [...features, ...args, ...storeArgs(root)] })
  return succeeded(ended, `nix ${args[0] ?? ''}`)
}

function storeArgs(root: string): readonly string[] {
  return root === '/' ? [] : ['--store', root]
}

function succeeded({ status, stdout, stderr }: Ended, what: string): string {
  if (status === 0) return stdout
  throw new DepotError('BAD_REQUEST', `${what} ended with ${status}: ${told(stderr)}`)
}

/** In one line, and without the warnings that came before the error. */
function told(stderr: string): string {
  const lines = stderr.split('\n')
  const error = lines.findIndex((line) => line.startsWith('error:'))
  return lines.slice(Math.max(error, 0)).join(' ').replaceAll(/\s+/g, ' ').trim().slice(-SAID_CHARS_MAX)
}

const SAID_CHARS_MAX = 2000

function notAnOption(text: string): string {
  if (!text.startsWith('-')) return text
  throw new DepotError('BAD_REQUEST', `'${text}' is no flake reference and no path of the store`)
}

function baseName(path: string): string {
  const parsed = parseStorePath(path)
  if (parsed === undefined) throw new DepotError('BAD_REQUEST', `'${path}' of nix is no path of /nix/store`)
  return parsed.baseName
}
