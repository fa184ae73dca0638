import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { makeAuthority, type Authority } from '../helpers/certificates.ts'
import { cliUser, type CliUser } from '../helpers/cli-user.ts'
import { binOf, examine, examineByProcess, paste } from '../helpers/doctor.ts'
import { freePort } from '../helpers/free-port.ts'
import { describeWith, have } from '../helpers/have.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'

let user: CliUser
let depot: ServerProcess
beforeAll(async () => {
  user = await cliUser()
  depot = await startServerProcess()
})
afterAll(async () => {
  await depot[Symbol.asyncDispose]()
  await user[Symbol.asyncDispose]()
})

/** Each package manager is started several times, on a machine that may be busy. */
const LIMIT_MS = 180_000

/** For depots that answer late, or never: as somebody who says nothing of it waits. */
const HURRY = ['--timeout', String(LIMITS.doctorMs / 1000)]

const NETWORK = 'address,tls,proxy,depot,clock,account'

async function listening(server: Server): Promise<AsyncDisposable & { readonly url: string }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

function answering(listener: RequestListener): ReturnType<typeof listening> {
  return listening(createHttpServer({ keepAlive: false }, listener))
}

/** What it finds wrong with the way to this depot. */
async function wrongWith(url: string): Promise<readonly string[]> {
  const { troubles } = await examine(user, [url, '--only', NETWORK])
  return troubles.map(({ check, status, message }) => `${check} ${status}: ${message}`)
}

describe('e2e/doctor: the way to a depot', () => {
  it('tells a port where nobody listens, and what would', async () => {
    const port = await freePort()
    const { troubles, status } = await examine(user, [`http://127.0.0.1:${port}`, '--only', NETWORK])
    expect(troubles.map(({ check }) => check)).toEqual(['address', 'depot'])
    expect(troubles[0]).toMatchObject({ fix: `depot serve --listen-addr 127.0.0.1:${port}` })
    expect(troubles[0]?.message).toContain('ECONNREFUSED')
    expect(status).toBe(1)
  })

  it('tells a name that has no address', async () => {
    expect((await wrongWith('http://depot.invalid'))[0]).toMatch(
      /^address fail: there is no address for depot\.invalid/,
    )
  })

  it('comes to an end where nothing ever answers', async () => {
    const sockets: AsyncDisposable[] = []
    await using silent = await listening(
      createServer((socket) => void sockets.push({ [Symbol.asyncDispose]: async () => void socket.destroy() })),
    )
    const { findings, status } = await examineByProcess(user, [silent.url, ...HURRY])
    for (const socket of sockets) await socket[Symbol.asyncDispose]()
    expect(status).toBe(1)
    expect(findings.find(({ check }) => check === 'depot')?.message).toContain('no answer in time')
    expect(findings.find(({ check }) => check === 'account')).toMatchObject({ status: 'skip' })
  })

  it('comes to an end where packets vanish', async () => {
    // An address of documentation (RFC 5737): nobody has it.
    const { findings, status } = await examineByProcess(user, ['http://192.0.2.1:8080', ...HURRY])
    expect(status).toBe(1)
    expect(findings.find(({ check }) => check === 'address')).toMatchObject({ status: 'fail' })
  })

  it('comes to an end where every answer but the first drips, and takes none of it for a bug', async () => {
    const welcome = await (await fetch(`${depot.url}/`)).text()
    await using other = await answering((request, response) => {
      if (request.url === '/') return void response.end(welcome)
      const timer = setInterval(() => response.write('a'), 100)
      response.on('close', () => clearInterval(timer))
    })
    const { troubles, status } = await examineByProcess(user, [other.url, '--only', 'depot,clock,account', ...HURRY])
    expect(status).toBe(1)
    expect(troubles.map(({ check }) => check)).toEqual(['depot', 'clock', 'account'])
    for (const { message } of troubles) expect(message).toBe('it cannot be looked at: no answer in time')
  })

  it('gives a slow depot the time that it was given itself', async () => {
    await using slow = await answering((request, response) => {
      setTimeout(() => {
        void fetch(`${depot.url}${request.url}`)
          .then((answer) => answer.text())
          .then((text) => response.end(text))
      }, LIMITS.doctorProbeMs + 500)
    })
    const hurried = await examineByProcess(user, [slow.url, '--only', 'depot', ...HURRY])
    expect(hurried.troubles[0]?.message).toContain('no answer in time')
    const { troubles, status } = await examineByProcess(user, [slow.url, '--only', 'depot', '--timeout', '40'])
    expect(troubles).toEqual([])
    expect(status).toBe(0)
  })

  it('tells in one line that a depot is of another version', async () => {
    const welcome = await (await fetch(`${depot.url}/`)).text()
    const session = (await (await fetch(`${depot.url}/-/session`)).json()) as object
    await using other = await answering((request, response) =>
      response.end(request.url === '/-/session' ? JSON.stringify({ ...session, version: '9.1.0' }) : welcome),
    )
    const { findings } = await examine(user, [other.url, '--only', 'account'])
    expect(findings.map(({ status }) => status)).toEqual(['ok', 'warn'])
    expect(findings[1]?.message).toMatch(/^the depot is version 9\.1\.0, and this command line \d/)
    const { troubles } = await examine(user, [depot.url, '--only', 'account'])
    expect(troubles).toEqual([])
  })

  it('takes answers that are no JSON for no bug', async () => {
    const welcome = await (await fetch(`${depot.url}/`)).text()
    const token = ['machine 127.0.0.1', 'login me', 'password any'].join(' ')
    await using other = await answering((request, response) =>
      response.end(request.url === '/' ? welcome : '\x1b[31m{'),
    )
    await using netrc = await tempDir('netrc')
    await writeFile(netrc.join('netrc'), token, { mode: 0o600 })
    const { troubles } = await examine(user, [other.url], { NETRC: netrc.join('netrc') })
    expect(troubles.map(({ check }) => check)).toEqual(expect.arrayContaining(['account']))
    for (const { message } of troubles) {
      expect(message).not.toContain('bug')
      expect(message).not.toContain('\x1b')
    }
  })

  it('waits for no pipe that stands where a file is to be', async () => {
    await using dir = await tempDir('pipe')
    execFileSync('mkfifo', [dir.join('.yarnrc.yml'), dir.join('uv.toml')])
    const env = { UV_CONFIG_FILE: dir.join('uv.toml'), SSL_CERT_FILE: dir.join('uv.toml') }
    const { findings } = await examine(user, [depot.url, '--only', 'yarn,uv,tls'], env, dir.path)
    expect(findings.map(({ check }) => check)).toEqual(expect.arrayContaining(['tls', 'yarn', 'uv']))
    for (const { message } of findings) expect(message).not.toContain('not done in')
  })

  it('tells something else than a depot from one', async () => {
    await using other = await answering((_request, response) => response.end('<html>It works!</html>'))
    expect(await wrongWith(other.url)).toEqual([
      `depot fail: no depot at ${other.url}: status 200, and no depot's words`,
    ])
  })

  it('names where a redirect leads, and looks there', async () => {
    await using other = await answering((_request, response) => response.writeHead(301, { location: depot.url }).end())
    const { troubles } = await examine(user, [other.url, '--only', NETWORK])
    expect(troubles).toMatchObject([{ check: 'depot', status: 'fail', fix: `depot doctor ${depot.url}` }])
    expect((await paste(user, troubles[0]?.fix ?? '')).stdout).toContain(`${depot.url} answers, and is ready`)
  })

  it('tells a clock that is off', async () => {
    const welcome = await (await fetch(`${depot.url}/`)).text()
    await using other = await answering((_request, response) => {
      response.writeHead(200, { date: new Date(Date.now() - 600_000).toUTCString() }).end(welcome)
    })
    const { troubles } = await examine(user, [other.url, '--only', 'clock'])
    expect(troubles).toMatchObject([{ check: 'clock', status: 'fail', fix: 'timedatectl set-ntp true' }])
    expect(troubles[0]?.message).toMatch(/^this machine is (?:599|60\d) s ahead of the depot/)
  })

  it('finds a depot below a path, and takes one of its own addresses for it', async () => {
    expect(await wrongWith(`${depot.url}/npm/`)).toEqual([])
  })
})

const PROGRAMS = { npm: have.paths.npm, pip: have.paths.pip, uv: have.paths.uv }

/** Each client's own words for "do you reach it?"; pip's and uv's is a name that nobody has. */
const REACHES: Readonly<Record<string, (url: string) => readonly [string, RegExp]>> = {
  npm: (url) => [`npm ping --fetch-retries=0 --registry ${url}/npm/`, /PONG/],
  nix: (url) => [
    `nix store ping --refresh --extra-experimental-features nix-command --store ${url}/nix && echo reached`,
    /reached/,
  ],
  pip: (url) => [
    `pip download --no-deps --retries 0 --index-url ${url}/python/simple/ nobody-has-it || true`,
    /No matching distribution/,
  ],
  uv: (url) => [
    `uv pip install --no-cache --python '${have.paths.python}' --target t --default-index ${url}/python/simple/ nobody-has-it || true`,
    /not found in the package registry/,
  ],
}

describeWith(['openssl', 'faketime', 'nix', 'npm', 'pip', 'uv', 'python'], 'e2e/doctor: a depot behind TLS', () => {
  let authority: Authority
  beforeAll(async () => {
    authority = await makeAuthority()
  })
  afterAll(() => authority[Symbol.asyncDispose]())

  it(
    'tells for each client whether it trusts the certificate, and what makes it trust',
    async () => {
      await using front = await authority.front(depot.url, 'DNS:localhost,IP:127.0.0.1')
      const url = `https://localhost:${front.port}`
      // Whatever the host of the tests has set, it does not know this authority; pip has a file of its own in /etc here and there.
      const path = `${await binOf(user, PROGRAMS)}:${user.env['PATH'] ?? ''}`
      const first = await examineByProcess(user, [url], { PATH: path, NODE_EXTRA_CA_CERTS: '' })
      const wrong = first.troubles.filter(({ status }) => status === 'fail')
      expect(wrong.map(({ check }) => check)).toEqual(['tls', 'depot', 'nix', 'npm', 'pip', 'uv'])
      expect(wrong[0]?.message).toContain('issued by Authority of the test')
      expect(wrong[0]?.fix).toMatch(/^export NODE_EXTRA_CA_CERTS=ca\.pem/)

      const extra = { PATH: path, NODE_EXTRA_CA_CERTS: authority.file }
      const second = await examineByProcess(user, [url], extra)
      const left = second.troubles.filter(({ status }) => status === 'fail')
      expect(left.map(({ check }) => check)).toEqual(['nix', 'pip', 'uv'])
      const { env } = await paste(
        user,
        ['export NODE_EXTRA_CA_CERTS=' + authority.file, ...left.map(({ fix }) => fix)].join('\n'),
        PROGRAMS,
      )
      const trusting = { ...extra, ...pick(env, 'NIX_SSL_CERT_FILE', 'SSL_CERT_FILE') }
      await user.ok(['use', url], trusting)
      expect((await examineByProcess(user, [url], trusting)).troubles).toEqual([])

      const exports = Object.entries(trusting).map(([name, value]) => `export ${name}='${value}'`)
      for (const [client, reach] of Object.entries(REACHES)) {
        const [line, good] = reach(url)
        expect((await paste(user, `${exports.join('\n')}\n{ ${line}; } 2>&1`, PROGRAMS)).stdout).toMatch(good)
        // nix remembers a cache for days, and pip says the same of an index that it does not trust.
        if (client === 'nix' || client === 'pip') continue
        await expect(
          paste(
            user,
            `export NODE_EXTRA_CA_CERTS= PIP_CONFIG_FILE=/dev/null\n{ ${line}; } 2>&1 | grep -Eq '${good.source}'`,
            PROGRAMS,
          ),
        ).rejects.toThrow()
      }
    },
    LIMIT_MS,
  )

  it('tells a certificate that is for another name', async () => {
    await using front = await authority.front(depot.url, 'DNS:depot.example.org')
    const args = [`https://localhost:${front.port}`, '--only', 'tls']
    const { troubles } = await examineByProcess(user, args, { NODE_EXTRA_CA_CERTS: authority.file })
    expect(troubles).toMatchObject([{ status: 'fail', fix: `depot doctor https://depot.example.org:${front.port}` }])
    expect(troubles[0]?.message).toBe('the certificate is for depot.example.org, not for localhost')
  })

  it('quotes what a certificate has for a name before anybody pastes it', async () => {
    await using front = await authority.front(depot.url, 'DNS:depot.example.org|id')
    const args = [`https://localhost:${front.port}`, '--only', 'tls']
    const { troubles } = await examineByProcess(user, args, { NODE_EXTRA_CA_CERTS: authority.file })
    expect(troubles).toMatchObject([{ fix: `depot doctor 'https://depot.example.org|id:${front.port}'` }])
  })

  it('tells one that has expired', async () => {
    await using front = await authority.front(depot.url, 'DNS:localhost', '2020-01-01 00:00:00')
    const args = [`https://localhost:${front.port}`, '--only', 'tls']
    const { troubles } = await examineByProcess(user, args, { NODE_EXTRA_CA_CERTS: authority.file })
    expect(troubles).toMatchObject([{ check: 'tls', status: 'fail' }])
    expect(troubles[0]?.message).toContain('it has expired')
  })

  it('tells a server that speaks no TLS', async () => {
    const url = depot.url.replace('http:', 'https:')
    const { troubles } = await examine(user, [url, '--only', 'tls'])
    expect(troubles).toMatchObject([{ check: 'tls', status: 'fail', fix: `depot doctor ${depot.url}` }])
  })
})

function pick(env: Readonly<Record<string, string>>, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const])))
}
