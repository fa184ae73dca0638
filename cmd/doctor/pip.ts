import { isLoopback } from '../../src/network.ts'
import { pythonIndex } from '../token/formats.ts'
import { bundledRoots, rootsIn, systemRoots, type Roots } from './certificates.ts'
import type { ClientContext } from './client-context.ts'
import { fail, ok, skip, warn, type Finding } from './finding.ts'
import { parsePipConfig, type PipConfig } from './pip-config.ts'
import { bareAddress, isDepotIndex, judgeIndex } from './python-index.ts'
import { runProgram } from './run-program.ts'
import { judgeTrust } from './trust.ts'

/** Whether pip installs from the depot alone, and is let in. */
export async function checkPip(context: ClientContext): Promise<readonly Finding[]> {
  const pip = await runProgram('pip', ['config', 'list'], context)
  const program = pip === undefined ? 'pip3' : 'pip'
  const said = pip ?? (await runProgram('pip3', ['config', 'list'], context))
  if (said === undefined) return [skip('pip is not installed here')]
  const config = parsePipConfig(said)
  const trust = await judgeTrust(context, 'pip', {
    roots: context.url.protocol === 'http:' ? bundledRoots() : await pipRoots(context, config, program),
    fix: (file) => `${program} config set global.cert ${file}`,
  })
  const index = config.get('index-url')?.value
  return [
    ...judgeMain(context, config, program),
    ...judgeOthers(context.url, config, program),
    ...judgeTrustedHost(context, config, program),
    ...trust,
    ...(await judgeIndex(context, 'pip', index !== undefined && isDepotIndex(context.url, index) ? index : undefined)),
  ]
}

/** The index that counts, and who says so. */
function judgeMain({ url, use: useOf }: ClientContext, config: PipConfig, program: string): readonly Finding[] {
  const use = useOf('pip')
  const none = config.get('no-index')
  if (none !== undefined && /^(?:1|true|yes|on)$/i.test(none.value))
    return [fail('pip asks no index at all (no-index)', removal(none.from, 'no-index', program))]
  const main = config.get('index-url')
  if (main !== undefined && isDepotIndex(url, main.value)) return [ok(`its index is ${pythonIndex(url)}`)]
  if (main === undefined) return [warn('pip installs from pypi.org', use)]
  const behind = main.others.some((value) => isDepotIndex(url, value))
  const message = `pip installs from ${bareAddress(main.value)}`
  if (behind)
    return [
      fail(
        `${message}: ${place(main.from)} is stronger than the file that names the depot`,
        removal(main.from, 'index-url', program),
      ),
    ]
  return [warn(message, main.from === 'global' ? use : `${removal(main.from, 'index-url', program)} && ${use}`)]
}

/** Beside another index, whoever publishes under one of our names there is installed instead. */
function judgeOthers(url: URL, config: PipConfig, program: string): readonly Finding[] {
  const extra = config.get('extra-index-url')
  const others = (extra?.value ?? '').split(/\s+/).filter((word) => word !== '' && !isDepotIndex(url, word))
  if (extra === undefined || others.length === 0) return []
  return [
    warn(
      `pip takes the highest version of ${others.map(bareAddress).join(' and ')} as well: a stranger can publish under your names there`,
      removal(extra.from, 'extra-index-url', program),
    ),
  ]
}

function judgeTrustedHost({ url, use }: ClientContext, config: PipConfig, program: string): readonly Finding[] {
  const setting = config.get('trusted-host')
  const names = setting?.value.split(/\s+/) ?? []
  const trusts = names.includes(url.host) || names.includes(url.hostname)
  if (setting !== undefined && trusts && url.protocol === 'https:')
    return [
      warn(
        `pip does not check the certificate of ${url.host} (trusted-host)`,
        removal(setting.from, 'trusted-host', program),
      ),
    ]
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !trusts)
    return [fail('pip refuses an index on plain http that it was not told to trust', use('pip'))]
  return []
}

function removal(from: string, key: string, program: string): string {
  return from === ':env:'
    ? `unset PIP_${key.toUpperCase().replaceAll('-', '_')}`
    : `${program} config unset ${from}.${key}`
}

function place(from: string): string {
  return from === ':env:' ? 'a variable' : `its section [${from}]`
}

/** pip 24.2 and later ask the system; before, certifi's copy of Mozilla's, but for Debian's pip. */
async function pipRoots(context: ClientContext, config: PipConfig, program: string): Promise<Roots> {
  const { env } = context
  const cert = config.get('cert')
  if (cert !== undefined) return rootsIn(cert.value, cert.from === ':env:' ? 'PIP_CERT' : 'cert')
  const named = ['REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'].find((name) => (env[name] ?? '') !== '')
  if (named !== undefined) return rootsIn(env[named] ?? '', named)
  const version = (await runProgram(program, ['--version'], context)) ?? ''
  const [major = 0, minor = 0] = (/(?<=^pip )\d+\.\d+/.exec(version)?.[0] ?? '').split('.').map(Number)
  const asksSystem = major > 24 || (major === 24 && minor >= 2) || version.includes('/dist-packages/')
  return asksSystem ? systemRoots(env) : bundledRoots()
}
