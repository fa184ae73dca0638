import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { cleanEnv } from './clean-env.ts'
import { have } from './have.ts'
import { tempDir } from './temp-dir.ts'

/** A real Nix in a clean HOME, with a store of its own below a temporary folder. */
export interface NixClient extends AsyncDisposable {
  /** Where its store lies, for `--store`: real `/nix/store` names, away from the host's. */
  readonly root: string
  /** File of the certificates that it trusts for `https`; there is none until somebody writes it. */
  readonly certificates: string
  /** Run a command of `nix` on that store; resolves with what it printed. @throws Error with its output when it fails */
  run(...args: readonly string[]): Promise<string>
  /** Copy closures to a cache. */
  push(to: string, ...paths: readonly string[]): Promise<string>
  /** Copy closures from a cache, checking signatures. */
  pull(from: string, ...paths: readonly string[]): Promise<string>
  /** Everything that a failing run printed. @throws Error when it does not fail */
  failure(...args: readonly string[]): Promise<string>
  /** Build an expression and return its outputs. */
  build(expression: string, ...args: readonly string[]): Promise<readonly string[]>
}

const TIME_LIMIT_MS = 120_000
/** Nix 2.8 closes a file twice now and then, when it builds what it was refused, and ends: a fault of its own, which another run does not meet. */
const CLOSED_TWICE = /closing file descriptor \d+: Bad file descriptor/
const execute = promisify(execFile)

/** @param trustedKeys public keys whose signatures it accepts; without one it takes content-addressed paths only */
export function nixClient(...trustedKeys: readonly string[]): Promise<NixClient> {
  return nixClientOf('nix', ...trustedKeys)
}

/** The same with the nix of the host, or the newer one. */
export async function nixClientOf(part: 'nix' | 'nixNew', ...trustedKeys: readonly string[]): Promise<NixClient> {
  const program = have.paths[part]
  const home = await tempDir('nix')
  const certificates = home.join('certificates.pem')
  const env = cleanEnv(home.join('home'), { NIX_CONF_DIR: home.join('conf'), NIX_SSL_CERT_FILE: certificates })
  await mkdir(home.join('conf'))
  await writeFile(home.join('conf', 'nix.conf'), nixConfiguration(home.join('registry.json'), trustedKeys))
  await writeFile(home.join('registry.json'), '{"version":2,"flakes":[]}')
  const root = home.join('root')

  async function nix(args: readonly string[]): Promise<string> {
    const options = { env, timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' as const, maxBuffer: 64 * 1024 * 1024 }
    try {
      const { stdout, stderr } = await execute(program, args, options)
      return stdout + stderr
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      throw new Error(`nix ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
    }
  }
  const onStore = (command: string, args: readonly string[]): Promise<string> =>
    nix([...command.split(' '), '--store', root, ...args])

  return {
    root,
    certificates,
    run: (command = '', ...args) => onStore(command, args),
    push: (to, ...paths) => nix(['copy', '--from', root, '--to', to, ...paths]),
    pull: (from, ...paths) => nix(['copy', '--from', from, '--to', root, ...paths]),
    async failure(...args) {
      const output = await nix(args).then(
        () => undefined,
        (error: unknown) => String(error),
      )
      if (output === undefined) throw new Error(`nix ${args.join(' ')} did not fail`)
      return output
    },
    async build(expression, ...args) {
      const file = home.join('expression.nix')
      await writeFile(file, expression)
      const command = ['build', '-f', file, '--store', root, '--no-link', '--json', ...args]
      const run = () => execute(program, command, { env, timeout: TIME_LIMIT_MS })
      const { stdout } = await run().catch((error: unknown) => {
        if (!CLOSED_TWICE.test(String(error))) throw error
        return run()
      })
      const built = JSON.parse(stdout) as readonly { readonly outputs: Readonly<Record<string, string>> }[]
      return built.flatMap(({ outputs }) => Object.values(outputs))
    },
    async [Symbol.asyncDispose]() {
      // A store is read-only, its folders too.
      await execute('chmod', ['-R', 'u+w', home.path])
      await home[Symbol.asyncDispose]()
    },
  }
}

/** One user and no daemon; nothing from elsewhere; what it remembers of a cache is asked again. */
export function nixConfiguration(registry: string, trustedKeys: readonly string[]): string {
  const settings = {
    'build-users-group': '',
    sandbox: 'false',
    'sandbox-paths': '/bin /usr /lib /lib64',
    'experimental-features': 'nix-command flakes ca-derivations',
    substituters: '',
    'trusted-public-keys': trustedKeys.join(' '),
    'flake-registry': registry,
    'narinfo-cache-negative-ttl': '0',
    'narinfo-cache-positive-ttl': '0',
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')
}

/**
 * A closure of `count` paths that need no other tool than a shell: programs, links and data of some kilobytes, each referring to earlier
 * ones and to itself. The result is the path that needs all of them.
 */
export function closureExpression(count: number, seed: string): string {
  return `let
    mk = i: derivation {
      name = "pkg\${toString i}-1.0"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
      deps = map (j: builtins.elemAt all j) (builtins.filter (j: j >= 0 && j < i) [ (i - 1) (i / 2) (i - 7) ]);
      args = [ "-c" ''
        mkdir -p $out/bin $out/lib/d; printf '#!/bin/sh\\necho %s\\n' "$name" > $out/bin/run; chmod +x $out/bin/run
        echo $deps $out > $out/refs; ln -s ../bin/run $out/lib/link
        seq 1 \${toString (100 + i * 137)} | sed "s/^/${seed}$name/" > $out/lib/d/data
      '' ];
    };
    all = builtins.genList mk ${count};
  in builtins.elemAt all ${count - 1}`
}

/** A path whose name is a hash of its content, which refers to itself and to nothing else. */
export function addressedExpression(seed: string): string {
  return `derivation {
    name = "addressed-1.0"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
    __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
    args = [ "-c" "mkdir -p $out/bin; echo ${seed} $out $out > $out/self" ];
  }`
}
