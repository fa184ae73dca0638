import { chmod, utimes } from 'node:fs/promises'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { cliUser, depotFor, type CliUser } from '../helpers/cli-user.ts'
import { binOf, examine, onlyTrouble, paste } from '../helpers/doctor.ts'
import { fillDepot } from '../helpers/fill-depot.ts'
import { describeWith, have } from '../helpers/have.ts'
import type { ServerProcess } from '../helpers/server-process.ts'
import type { TestKey } from '../helpers/ssh-keys.ts'

type Env = Readonly<Record<string, string>>

const PROGRAMS = { npm: have.paths.npm, pip: have.paths.pip, uv: have.paths.uv }
/** Each package manager is started several times, on a machine that may be busy. */
const LIMIT_MS = 120_000
/** Nothing is there: whoever asks hears so at once. */
const NOWHERE = 'http://127.0.0.1:1'

interface Fault {
  readonly title: string
  /** Breaks it; what it returns is in the environment from then on. */
  readonly make: (user: CliUser) => Promise<Env | void>
  readonly check: string
  readonly status: 'warn' | 'fail'
  readonly says: RegExp
  /** A client's own command that the fault makes fail. */
  readonly proof?: keyof typeof PROOFS
}

/** What somebody types to install from the depot. */
const PROOFS = {
  npm: () => 'npm view greeting version --fetch-retries=0 --prefer-online',
  pip: () => 'pip download --no-deps --no-cache-dir --retries 0 --dest by-pip greeting',
  uv: () => `uv pip install --no-cache --python '${have.paths.python}' --target by-uv-$RANDOM greeting`,
  nix: (stored: string) => `nix build --no-link --refresh --store "$PWD/store-$RANDOM$RANDOM" ${stored}`,
} as const

const FAULTS: readonly Fault[] = [
  {
    title: 'a project that names another registry',
    make: async (user) => void (await user.write('app/.npmrc', `registry=${NOWHERE}/\nfund=false\n`)),
    check: 'npm',
    status: 'fail',
    says: /app\/\.npmrc is stronger/,
    proof: 'npm',
  },
  {
    title: 'a variable that names another registry',
    make: async () => ({ npm_config_registry: `${NOWHERE}/` }),
    check: 'npm',
    status: 'fail',
    says: /a variable is stronger/,
    proof: 'npm',
  },
  {
    title: 'an .npmrc whose token is for another path',
    make: async (user) => edit(user, '.npmrc', /\/npm\/:_authToken/, '/other/:_authToken'),
    check: 'npm',
    status: 'fail',
    says: /there is \/\/127\.0\.0\.1:\d+\/other\/:_authToken, and npm wants \/\/127\.0\.0\.1:\d+\/npm\/:_authToken/,
    proof: 'npm',
  },
  {
    title: 'an .npmrc that everybody can read',
    make: (user) => chmod(user.join('.npmrc'), 0o644),
    check: 'token-files',
    status: 'warn',
    says: /others can read/,
  },
  {
    title: 'a nix.conf without the key',
    make: async (user) => edit(user, '.config/nix/nix.conf', /^extra-trusted-public-keys.*\n/m, ''),
    check: 'nix',
    status: 'fail',
    says: /does not trust depot-/,
    proof: 'nix',
  },
  {
    title: 'a nix.conf without the substituter',
    make: async (user) => edit(user, '.config/nix/nix.conf', /^extra-substituters.*\n/m, ''),
    check: 'nix',
    status: 'warn',
    says: /not among its substituters/,
    proof: 'nix',
  },
  {
    title: 'a nix.conf that names another netrc',
    make: async (user) =>
      edit(user, '.config/nix/nix.conf', /^netrc-file.*$/m, `netrc-file = ${user.join('nix-netrc')}`),
    check: 'nix',
    status: 'fail',
    says: /needs credentials, and .*\/nix-netrc has no good ones/,
  },
  {
    title: 'a variable that names another index for pip',
    make: async () => ({ PIP_INDEX_URL: `${NOWHERE}/simple/` }),
    check: 'pip',
    status: 'fail',
    says: /a variable is stronger/,
    proof: 'pip',
  },
  {
    title: 'a further index of pip, where strangers publish',
    make: async (user) =>
      void (await paste(user, 'pip config set global.extra-index-url https://pypi.org/simple', PROGRAMS)),
    check: 'pip',
    status: 'warn',
    says: /a stranger can publish under your names/,
  },
  {
    title: 'a variable that names another index for uv',
    make: async () => ({ UV_DEFAULT_INDEX: `${NOWHERE}/simple/` }),
    check: 'uv',
    status: 'fail',
    says: /a variable is stronger/,
    proof: 'uv',
  },
  {
    title: 'a uv that mixes indexes',
    make: async () => ({ UV_INDEX_STRATEGY: 'unsafe-best-match' }),
    check: 'uv',
    status: 'warn',
    says: /mixes the versions/,
  },
  {
    title: 'a proxy that is asked for this very machine',
    make: async () => ({ http_proxy: NOWHERE, HTTP_PROXY: NOWHERE, no_proxy: 'example.org' }),
    check: 'proxy',
    status: 'fail',
    says: /http_proxy sends what is meant for 127\.0\.0\.1 to a proxy/,
    proof: 'nix',
  },
  {
    title: 'an edit that was killed',
    make: async (user) => utimes(await user.write('.npmrc.lock', ''), new Date(0), new Date(0)),
    check: 'token-files',
    status: 'warn',
    says: /\.npmrc\.lock is left/,
  },
]

describeWith(['openssh', 'nix', 'npm', 'pip', 'uv', 'python'], 'e2e/doctor: somebody whose clients use a depot', () => {
  let owner: CliUser
  let key: TestKey
  let depot: ServerProcess
  let stored: string
  let user: CliUser
  let path: string

  // One user goes through all faults: each has to be mended before the next.
  beforeAll(async () => {
    owner = await cliUser()
    key = await owner.key()
    depot = await depotFor(owner, [{ right: 'w', key }])
    const args = ['token', 'create', depot.url, '--identity', key.file, '--scope', '*:write:*']
    stored = await fillDepot(depot.url, (await owner.ok(args)).trim())
    user = await cliUser()
    path = `${await binOf(user, PROGRAMS)}:${user.env['PATH'] ?? ''}`
    await user.write('.config/nix/nix.conf', 'experimental-features = nix-command\nsubstituters =\n')
    await user.write('app/package.json', '{"name":"app","version":"0.0.0","private":true}')
    await user.ok(['login', depot.url, '--identity', key.file])
    await user.ok(['use'])
  })
  afterAll(async () => {
    await depot[Symbol.asyncDispose]()
    await owner[Symbol.asyncDispose]()
    await user[Symbol.asyncDispose]()
  })

  /** Let the doctor look, in the project. */
  const look = (env: Env = {}, ...args: readonly string[]) =>
    examine(user, ['-', '--identity', key.file, ...args], { PATH: path, ...env }, user.join('app'))

  /** A command of the user's, in the project. */
  const type = (line: string, env: Env = {}) => {
    const set = Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`)
    return paste(user, `${set.join('')}cd app\n${line}`, PROGRAMS)
  }

  it(
    'finds nothing wrong after depot use',
    async () => {
      const { status, troubles, findings } = await look()
      expect({ status, troubles }).toEqual({ status: 0, troubles: [] })
      for (const client of ['nix', 'npm', 'pip', 'uv'])
        expect(findings.filter(({ check, status }) => check === client && status === 'ok')).not.toEqual([])
      for (const proof of Object.values(PROOFS)) await type(proof(stored))
    },
    LIMIT_MS,
  )

  it.each(FAULTS)(
    'names $title, and its fix mends it',
    async ({ make, check, status, says, proof }) => {
      const env = (await make(user)) ?? {}
      const found = await look(env)
      const trouble = onlyTrouble(found)
      expect(trouble).toMatchObject({ check, status })
      expect(trouble.message).toMatch(says)
      expect(found.status).toBe(status === 'fail' ? 1 : 0)
      const command = proof === undefined ? undefined : PROOFS[proof](stored)
      if (command !== undefined) await expect(type(command, env)).rejects.toThrow('Command failed')
      const left = await type(trouble.fix, env)
      const mended = Object.fromEntries(
        [...Object.keys(env), 'no_proxy', 'NO_PROXY'].flatMap((name) => {
          const value = left.env[name]
          return value === undefined ? [] : [[name, value] as const]
        }),
      )
      expect((await look(mended, '--only', check)).troubles).toEqual([])
      if (command !== undefined) await type(command, mended)
    },
    LIMIT_MS,
  )

  it(
    'names a revoked token wherever it stands, and never shows it',
    async () => {
      const secret = /\/npm\/:_authToken=(dpt_\w+)/.exec((await user.read('.npmrc')) ?? '')?.[1] ?? ''
      await user.ok(['token', 'revoke', secret.split('_')[1] ?? '', '--identity', key.file])
      // The server remembers for a moment whom it has let in.
      await expect
        .poll(async () => (await look()).troubles.map(({ check }) => check), { timeout: LIMIT_MS / 2 })
        .toEqual(['account', 'nix', 'npm', 'pip', 'uv'])
      const { troubles } = await look()
      expect(secret).toMatch(/^dpt_/)
      expect(JSON.stringify(troubles)).not.toContain(secret)
      await type(troubles[0]?.fix ?? '')
      expect((await look()).troubles).toEqual([])
    },
    LIMIT_MS,
  )

  it('says which line lets somebody in whom the depot does not know', async () => {
    const stranger = await cliUser()
    await stranger.key()
    const { troubles, status } = await examine(stranger, [depot.url, '--only', 'account'], { PATH: path })
    await stranger[Symbol.asyncDispose]()
    expect(troubles).toMatchObject([{ check: 'account', status: 'fail', fix: `depot login ${depot.url}` }])
    expect(troubles[0]?.message).toContain('w ssh-ed25519 ')
    expect(status).toBe(1)
  })

  it('names uploads that go where none are taken', async () => {
    await user.write('.pypirc', `[depot]\nrepository = ${depot.url}/python/upload/\nusername = __token__\n`)
    const trouble = onlyTrouble(await look())
    expect(trouble).toMatchObject({ check: 'uploads', status: 'fail' })
    await type(trouble.fix)
    expect((await look()).troubles).toEqual([])
  })
})

/** Break a file of the user's. @throws Error when there is nothing to break */
async function edit(user: CliUser, name: string, what: RegExp, by: string): Promise<void> {
  const text = (await user.read(name)) ?? ''
  if (!what.test(text)) throw new Error(`${name} has no ${what}:\n${text}`)
  await user.write(name, text.replace(what, by))
}
