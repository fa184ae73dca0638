import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { z } from 'zod'

import { configDocument } from '../../.ci/oci.ts'
import { flakeWorld, type FlakeWorld } from '../helpers/flake.ts'
import { describeWith, have } from '../helpers/have.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const LIMIT_MS = 500_000
const SYSTEMS = ['aarch64-darwin', 'aarch64-linux', 'x86_64-linux']
const LOCK = z.object({
  packages: z.record(
    z.string(),
    z.object({
      resolved: z.string().optional(),
      integrity: z.string().optional(),
      os: z.array(z.string()).optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
})
const IMAGE = z.object({
  name: z.string(),
  tag: z.string(),
  fakeRootCommands: z.string(),
  config: z.object({}).loose(),
})

// Each runs programs that take seconds on a busy host.
vi.setConfig({ testTimeout: 120_000 })

describeWith('nix', 'e2e/the flake, read', () => {
  it('is a Nix expression', async () => {
    const parser = path.join(path.dirname(have.paths.nix), 'nix-instantiate')
    await promisify(execFile)(parser, ['--parse', path.join(ROOT, 'flake.nix')], { maxBuffer: 1024 * 1024 })
  })
})

describeWith(['nix', 'nixNew', 'npm', 'npmRegistry'], 'e2e/the flake, evaluated', () => {
  let worlds: { readonly nix: FlakeWorld; readonly nixNew: FlakeWorld }

  beforeAll(async () => {
    worlds = { nix: await flakeWorld('nix'), nixNew: await flakeWorld('nixNew') }
  })
  afterAll(async () => {
    await worlds.nix[Symbol.asyncDispose]()
    await worlds.nixNew[Symbol.asyncDispose]()
  })

  /** The value of an output, when a function of Nix is applied to it. */
  async function output(
    version: keyof typeof worlds,
    name: string,
    apply: string,
    ...more: string[]
  ): Promise<unknown> {
    const { evaluate, flake, nixpkgs } = worlds[version]
    return evaluate('--override-input', 'nixpkgs', nixpkgs, `${flake}#${name}`, '--apply', apply, ...more)
  }

  it.each(['nix', 'nixNew'] as const)('has the outputs that people look for, on every system (%s)', async (version) => {
    const names = 'builtins.mapAttrs (_: builtins.attrNames)'
    const every = (linux: readonly string[], darwin = linux): object =>
      Object.fromEntries(SYSTEMS.map((system) => [system, system === 'aarch64-darwin' ? darwin : linux]))
    expect(await output(version, 'packages', names)).toEqual(
      every(['default', 'depot', 'docker-image', 'image'], ['default', 'depot']),
    )
    expect(await output(version, 'devShells', names)).toEqual(every(['default']))
    expect(await output(version, 'checks', names)).toEqual(every(['depot', 'starts']))
    expect(await output(version, 'apps', 'builtins.mapAttrs (_: app: app.default.type)')).toEqual(
      Object.fromEntries(SYSTEMS.map((system) => [system, 'app'])),
    )
    expect(await output(version, 'overlays.default', 'overlay: (overlay { callPackage = _: _: "made"; } { })')).toEqual(
      { depot: 'made' },
    )
  })

  it('gives each package of a lock file the address that the public registry has for it', async () => {
    const packages = {
      'node_modules/plain': { version: '1.2.3', integrity: 'sha512-x' },
      'node_modules/@acme/button': { version: '1.0.0-rc.1', integrity: 'sha512-x' },
      'node_modules/plain/node_modules/@acme/deep': { version: '2.0.0', integrity: 'sha512-x' },
      'node_modules/alias': { version: '3.0.0', integrity: 'sha512-x', name: '@acme/real' },
      'node_modules/mirrored': { version: '4.0.0', integrity: 'sha512-x', resolved: 'https://mirror.example/m.tgz' },
      'node_modules/linked': { version: '5.0.0' },
    }
    const given = `(builtins.fromJSON ''${JSON.stringify(packages)}'')`
    const apply = `add: builtins.mapAttrs (path: entry: (add path entry).resolved or null) ${given}`
    expect(await output('nix', 'lib.withAddress', apply)).toEqual({
      'node_modules/plain': 'https://registry.npmjs.org/plain/-/plain-1.2.3.tgz',
      'node_modules/@acme/button': 'https://registry.npmjs.org/@acme/button/-/button-1.0.0-rc.1.tgz',
      'node_modules/plain/node_modules/@acme/deep': 'https://registry.npmjs.org/@acme/deep/-/deep-2.0.0.tgz',
      'node_modules/alias': 'https://registry.npmjs.org/@acme/real/-/real-3.0.0.tgz',
      'node_modules/mirrored': 'https://mirror.example/m.tgz',
      'node_modules/linked': null,
    })
  })

  it('fetches what a build on one platform needs, whole, and none of what only tests and linters need', async () => {
    // Read by Nix itself, which a flake may do only when it is asked to: as a word of a command it would be too long.
    const lock = `(builtins.fromJSON (builtins.readFile ${path.join(ROOT, 'package-lock.json')}))`
    const of = async (platform: string, arch: string): Promise<z.infer<typeof LOCK>['packages']> => {
      const apply = `part: part { platform = "${platform}"; arch = "${arch}"; } ${lock}`
      return LOCK.parse(await output('nix', 'lib.buildLock', apply, '--impure')).packages
    }
    const [linux, darwin] = [await of('linux', 'x64'), await of('darwin', 'arm64')]
    expect(Object.keys(linux)).toEqual(expect.arrayContaining(['', 'node_modules/better-sqlite3', 'node_modules/zod']))
    for (const name of ['node', 'vitest', 'oxlint', '@typescript/typescript-win32-x64']) {
      expect(linux).not.toHaveProperty([`node_modules/${name}`])
    }
    expect(linux).toHaveProperty(['node_modules/@typescript/typescript-linux-x64'])
    expect(darwin).toHaveProperty(['node_modules/@typescript/typescript-darwin-arm64'])
    expect(Object.values(darwin).flatMap(({ os = [] }) => os)).not.toContain('linux')
    for (const packages of [linux, darwin]) {
      const strays = Object.entries(packages).filter(
        ([key, { integrity, resolved }]) => key !== '' && !(integrity && resolved),
      )
      expect(strays).toEqual([])
      const installed = new Set(Object.keys(packages).map((key) => key.split('node_modules/').at(-1)))
      const asked = Object.values(packages).flatMap((entry) =>
        Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }),
      )
      expect(asked.filter((name) => !installed.has(name))).toEqual([])
    }
  })
})

describeWith(['nix', 'npm', 'npmRegistry'], 'e2e/the flake, built', () => {
  let world: FlakeWorld
  let given: readonly string[]

  beforeAll(async () => {
    world = await flakeWorld('nix')
    given = ['--no-write-lock-file', '--override-input', 'nixpkgs', world.nixpkgs]
    await world.nix('flake', 'check', ...given, world.flake)
  }, LIMIT_MS)
  afterAll(() => world[Symbol.asyncDispose]())

  async function build(name: string): Promise<string> {
    const built = await world.nix('build', '--no-link', '--json', ...given, `${world.flake}#${name}`)
    return world.onHost(
      z.tuple([z.object({ outputs: z.object({ out: z.string() }) })]).parse(JSON.parse(built))[0].outputs.out,
    )
  }

  it('runs the depot by `nix run`', async () => {
    const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await world.nix('run', ...given, world.flake, '--', '--version')).toBe(`${version}\n`)
  })

  it('installs completions and the manual page, and native code for this platform only', async () => {
    const depot = await build('default')
    const { stdout } = await promisify(execFile)('find', ['.', '-path', '*/share/*', '-o', '-name', '*.node'], {
      cwd: depot,
    })
    const files = stdout
      .trim()
      .split('\n')
      .filter((file) => /\.node$|share\/[^/]+\/[^/]+\/[^/]+$/.test(file))
    expect(files.filter((file) => file.startsWith('./share')).toSorted()).toEqual([
      './share/bash-completion/completions/depot.bash',
      './share/fish/vendor_completions.d/depot.fish',
      './share/man/man1/depot.1',
      './share/zsh/site-functions/_depot',
    ])
    const native = files.filter((file) => file.endsWith('.node'))
    expect(native.length).toBeGreaterThan(0)
    expect(native.filter((file) => !file.includes(`linux-${process.arch}`))).toEqual([])
    // Nothing in it keeps the tarballs that it was made from.
    const kept = await world.nix('path-info', '--recursive', ...given, `${world.flake}#default`)
    expect(kept).not.toContain('.tgz')
  })

  it('describes an image that runs as the one of `npm run image` does', async () => {
    const image = IMAGE.parse(JSON.parse(await readFile(await build('image'), 'utf8')))
    const options = {
      name: 'depot',
      version: '',
      description: '',
      license: '',
      architecture: '',
      created: '',
      revision: undefined,
    }
    const { config } = JSON.parse(configDocument(options, []).bytes.toString()) as { config: Record<string, unknown> }
    const { Entrypoint, Env, ...same } = image.config as { Entrypoint: string[]; Env: string[] }
    expect(config).toMatchObject(same)
    expect(Object.keys(same)).toEqual(['Cmd', 'ExposedPorts', 'StopSignal', 'User', 'Volumes', 'WorkingDir'])
    expect(config['Env']).toEqual(expect.arrayContaining(Env))
    expect(Entrypoint[0]).toMatch(/^\/nix\/store\/.*\/bin\/depot$/)
    expect(image.fakeRootCommands).toContain('-o 10001 -g 10001 data')
  })
})
