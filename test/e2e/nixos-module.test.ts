import { readFile, writeFile } from 'node:fs/promises'

import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { z } from 'zod'

import { lineKey } from '../helpers/auth-lines.ts'
import { flakeWorld, type FlakeWorld } from '../helpers/flake.ts'
import { describeWith } from '../helpers/have.ts'
import { readmeNix } from '../helpers/readme.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const HOST = z.object({
  ports: z.array(z.number()),
  refused: z.array(z.string()),
  unit: z.object({
    wantedBy: z.array(z.string()),
    wants: z.array(z.string()),
    after: z.array(z.string()),
    serviceConfig: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
  }),
})
/** What the test looks at of a NixOS machine. */
const VIEW = `host: let inherit (host) config; in {
  ports = config.networking.firewall.allowedTCPPorts;
  refused = map (check: check.message) (builtins.filter (check: !check.assertion) config.assertions);
  unit = { inherit (config.systemd.services.depot) wantedBy wants after serviceConfig; };
}`

// Each runs programs that take seconds on a busy host.
vi.setConfig({ testTimeout: 120_000 })

describeWith(['nix', 'nixNew', 'npm', 'npmRegistry'], 'e2e/the NixOS module', () => {
  let worlds: { readonly nix: FlakeWorld; readonly nixNew: FlakeWorld }
  let machines = 0

  beforeAll(async () => {
    worlds = { nix: await flakeWorld('nix'), nixNew: await flakeWorld('nixNew') }
  })
  afterAll(async () => {
    await worlds.nix[Symbol.asyncDispose]()
    await worlds.nixNew[Symbol.asyncDispose]()
  })

  /** A machine by the README's flake, with other settings when they are given. */
  async function machine(version: keyof typeof worlds, settings?: string): Promise<z.infer<typeof HOST>> {
    const world = worlds[version]
    const text = readmeNix().replace('git+https://git.example.org/depot', world.flake)
    const own = settings === undefined ? text : text.replace(/services\.depot = \{.*?\n {10}\};/s, settings)
    const folder = await world.folder(`machine-${machines++}`, {
      'flake.nix': own,
      'auth.keys': `w ${lineKey(1).text}\n`,
    })
    return HOST.parse(
      await world.evaluate(
        '--override-input',
        'nixpkgs',
        world.nixpkgs,
        `${folder}#nixosConfigurations.host`,
        '--apply',
        VIEW,
      ),
    )
  }

  /** The configuration file that a unit starts with. */
  async function configured(version: keyof typeof worlds, { unit }: z.infer<typeof HOST>): Promise<string> {
    const file = /^\/nix\/store\/\S+\/bin\/depot serve --config (\S+)$/.exec(
      String(unit.serviceConfig['ExecStart']),
    )?.[1]
    return readFile(worlds[version].onHost(file ?? ''), 'utf8')
  }

  it.each(['nix', 'nixNew'] as const)('starts what the README shows, with its settings (%s)', async (version) => {
    const host = await machine(version)
    expect(host).toMatchObject({
      ports: [8080],
      refused: [],
      unit: { wantedBy: ['multi-user.target'], after: ['network-online.target'] },
    })
    const text = await configured(version, host)
    expect(text).toContain('public-url = "https://depot.example.org"\n')
    await using dir = await tempDir('module')
    const [, keys = ''] = /^auth-file = "(.*)"$/m.exec(text) ?? []
    const local = text.replace(keys, worlds[version].onHost(keys)).replace('/var/lib/depot', dir.join('data'))
    const checked = await runDepot([
      'serve',
      '--check-config',
      '--config',
      await written(dir.join('depot.toml'), local),
    ])
    expect(checked).toMatchObject({ status: 0, stderr: '' })
    expect(checked.stdout).toMatch(/^1 keys in .*\nthe configuration is fine\n$/)
  })

  it('listens on loopback when nothing is set, and opens no port', async () => {
    const host = await machine('nix', 'services.depot.enable = true;')
    expect(host).toMatchObject({ ports: [], refused: [] })
    expect(await configured('nix', host)).toBe('listen-addr = "127.0.0.1:8080"\nstore-path = "/var/lib/depot"\n')
    expect(host.unit.serviceConfig).not.toHaveProperty('ExecReload')
  })

  it('is protected as the unit is that `depot systemd-unit` prints', async () => {
    const { unit } = await machine('nix', 'services.depot.enable = true;')
    const { stdout } = await runDepot(['systemd-unit'])
    const printed = linesOf(stdout.split('[Service]\n')[1]?.split('\n\n')[0] ?? '')
    const own = ['DynamicUser', 'Environment', 'ExecStart']
    const expected = Object.entries(printed).filter(([key]) => !own.includes(key))
    expect(expected.length).toBeGreaterThan(20)
    expect(shown(unit.serviceConfig)).toMatchObject(Object.fromEntries(expected))
    expect(Object.keys(unit.serviceConfig).filter((key) => !(key in printed))).toEqual(['Group', 'User'])
  })

  it('may take a low port, write another folder and read secrets that belong to root', async () => {
    const host = await machine(
      'nix',
      `services.depot = {
        enable = true; openFirewall = true; environmentFile = "/run/secrets/depot";
        settings = {
          listen-addr = "[::1]:80"; store-path = "/srv/depot"; shutdown-grace = 10; private-key = [ "/root/a.key" "/root/b.key" ];
        };
      };`,
    )
    const credentials = '/run/credentials/depot.service'
    expect(await configured('nix', host)).toContain(
      `private-key = ["${credentials}/signing-1.key","${credentials}/signing-2.key"]\n`,
    )
    expect(host).toMatchObject({ ports: [80], refused: [] })
    expect(host.unit.serviceConfig).toMatchObject({
      AmbientCapabilities: 'CAP_NET_BIND_SERVICE',
      CapabilityBoundingSet: 'CAP_NET_BIND_SERVICE',
      EnvironmentFile: '/run/secrets/depot',
      LoadCredential: ['signing-1.key:/root/a.key', 'signing-2.key:/root/b.key'],
      ReadWritePaths: ['/srv/depot'],
      TimeoutStopSec: 25,
    })
  })

  it('refuses to be open to everyone unless that is said, and options that are not there', async () => {
    const open = (more: string): string =>
      `services.depot = { enable = true; settings = { listen-addr = ":8080"; ${more} }; };`
    expect((await machine('nix', open(''))).refused).toEqual([expect.stringContaining('services.depot.authFile')])
    expect((await machine('nix', open('insecure-open = true;'))).refused).toEqual([])
    await expect(machine('nix', 'services.depot = { enable = true; port = 80; };')).rejects.toThrow(
      /depot.port. does not exist/,
    )
    await expect(machine('nix', 'services.depot = { enable = "yes"; };')).rejects.toThrow(
      /depot.enable. is not of type/,
    )
  })
})

/** The lines of a section; what stands there twice is joined. */
function linesOf(section: string): Record<string, string> {
  const pairs = section.split('\n').map((line) => line.split(/=(.*)/s, 2) as [string, string])
  return Object.fromEntries(
    pairs.map(([key]) => [
      key,
      pairs
        .filter(([other]) => other === key)
        .map(([, value]) => value)
        .join('\n'),
    ]),
  )
}

/** As NixOS writes them. */
function shown(
  values: Readonly<Record<string, string | number | boolean | readonly string[]>>,
): Record<string, string> {
  const text = (value: string | number | boolean | readonly string[]): string =>
    typeof value === 'boolean' ? (value ? 'yes' : 'no') : typeof value === 'object' ? value.join('\n') : String(value)
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, text(value)]))
}

async function written(file: string, text: string): Promise<string> {
  await writeFile(file, text)
  return file
}
