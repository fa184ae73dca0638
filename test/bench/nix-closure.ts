import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { output } from './load.ts'

/** A closure of store paths in a Nix store of its own. */
export interface Closure {
  /** Of the store. */
  readonly root: string
  /** The path that needs all others. */
  readonly top: string
  /** Seconds that `nix copy` takes into an empty store. */
  pull(from: string): Promise<number>
  /** Seconds that `nix copy` takes to a cache that has nothing of it. */
  push(to: string): Promise<number>
}

const PATHS = 200

/**
 * Two hundred paths that refer to each other, 1.1 MB each, most of which does not compress. They are made in the store named by
 * BENCH_NIX_STORE, or taken from it when they are there: a peer that serves a store can then be started on it.
 */
export async function closureOf(dir: string, expression = EXPRESSION): Promise<Closure> {
  mkdirSync(path.join(dir, 'conf'), { recursive: true })
  // What the disk does after each path would be the same for everybody, and more than all else.
  const settings = ['build-users-group =', 'sandbox = false', 'substituters =', 'fsync-metadata = false']
  writeFileSync(
    path.join(dir, 'conf', 'nix.conf'),
    [...settings, 'experimental-features = nix-command', 'sandbox-paths = /bin /usr /lib /lib64', ''].join('\n'),
  )
  const kept = expression === EXPRESSION ? process.env['BENCH_NIX_STORE'] : undefined
  const root = kept ?? path.join(dir, 'root')
  const top = await made(dir, root, expression)
  return {
    root,
    top,
    async pull(from) {
      const to = await mkdtemp(path.join(dir, 'pulled-'))
      const seconds = await timed(() =>
        nix(dir, ['copy', '--quiet', '--no-check-sigs', '--from', from, '--to', to, top]),
      )
      // Folders of a store are read-only.
      execFileSync('chmod', ['-R', 'u+w', to])
      await rm(to, { recursive: true })
      return seconds
    },
    push: (to) => timed(() => nix(dir, ['copy', '--quiet', '--from', root, '--to', to, top])),
  }
}

async function made(dir: string, root: string, expression: string): Promise<string> {
  const note = `${root}.top`
  if (existsSync(note)) return readFileSync(note, 'utf8')
  const file = path.join(dir, 'closure.nix')
  writeFileSync(file, expression)
  const built = await nix(dir, ['build', '--quiet', '-f', file, '--store', root, '--no-link', '--json'])
  const [{ outputs } = { outputs: { out: '' } }] = JSON.parse(built) as { readonly outputs: { readonly out: string } }[]
  writeFileSync(note, outputs.out)
  return outputs.out
}

/** Needs no other tools than those of every Debian. */
const EXPRESSION = `let
  mk = i: derivation {
    name = "pkg\${toString i}-1.0"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
    deps = map (j: builtins.elemAt all j) (builtins.filter (j: j >= 0 && j < i) [ (i - 1) (i / 2) (i - 7) ]);
    args = [ "-c" ''
      mkdir -p $out/bin $out/share; echo $deps $out > $out/refs; head -c 750000 /dev/urandom > $out/bin/program
      seq 1 50000 | sed "s/^/$name/" | head -c 350000 > $out/share/text
    '' ];
  };
  all = builtins.genList mk ${PATHS};
in builtins.elemAt all ${PATHS - 1}`

/** A Nix that remembers nothing of any cache. */
async function nix(dir: string, args: readonly string[]): Promise<string> {
  const home = await mkdtemp(path.join(dir, 'home-'))
  const env = [`PATH=${process.env['PATH'] ?? ''}`, `HOME=${home}`, `NIX_CONF_DIR=${path.join(dir, 'conf')}`]
  return output('env', ['-i', ...env, 'nix', ...args])
}

/** Seconds that some work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now()
  await work()
  return (performance.now() - since) / 1000
}
