import process from 'node:process'

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { cliUser, depotFor, runAs, type CliUser } from '../helpers/cli-user.ts'
import { fillDepot, GREETING_WHEEL } from '../helpers/fill-depot.ts'
import { describeWith, have } from '../helpers/have.ts'
import { npmrcLine } from '../helpers/npm-client.ts'
import type { ServerProcess } from '../helpers/server-process.ts'
import type { TestKey } from '../helpers/ssh-keys.ts'

const {
  nix: NIX,
  npm: NPM,
  npm12: NPM_12,
  pip: PIP,
  pipOld: PIP_OLD,
  uv: UV,
  twine: TWINE,
  python: PYTHON,
} = have.paths
const NIX_CONF = 'experimental-features = nix-command\nsubstituters =\n'

/** What somebody types to install from the depot, and nothing more than that. */
const INSTALLS: Readonly<Record<string, (user: CliUser) => readonly [string, ...string[]]>> = {
  npm: () => [process.execPath, NPM, 'install', 'greeting'],
  'npm 12': () => [process.execPath, NPM_12, 'install', 'greeting'],
  pip: (user) => [PIP, 'install', '--target', user.join('by-pip'), 'greeting'],
  'pip 21.3': (user) => [PIP_OLD, 'install', '--target', user.join('by-old-pip'), 'greeting'],
  uv: (user) => [UV, 'pip', 'install', '--python', PYTHON, '--target', user.join('by-uv'), 'greeting'],
}

describeWith(
  ['openssh', 'nix', 'npm', 'npm12', 'pip', 'pipOld', 'uv', 'twine', 'python'],
  'e2e/auth: somebody with an SSH key',
  () => {
    let owner: CliUser
    let key: TestKey
    let depot: ServerProcess
    let stored: string
    let user: CliUser

    beforeAll(async () => {
      owner = await cliUser()
      key = await owner.key()
      depot = await depotFor(owner, [{ right: 'w', key }])
      stored = await fillDepot(depot.url, await token('--scope', '*:write:*'))
    })
    afterAll(async () => {
      await depot[Symbol.asyncDispose]()
      await owner[Symbol.asyncDispose]()
    })

    beforeEach(async () => {
      user = await cliUser()
      await user.write('.config/nix/nix.conf', NIX_CONF)
      await user.write('package.json', '{"name":"app","version":"0.0.0","private":true}')
      return () => user[Symbol.asyncDispose]()
    })

    /** What `depot token create` prints. */
    function token(...args: readonly string[]): Promise<string> {
      return owner.ok(['token', 'create', depot.url, '--identity', key.file, ...args]).then((text) => text.trim())
    }

    /** Copy a store path into a store of the user's own. */
    function nixCopy(...args: readonly string[]): Promise<string> {
      return runAs(user, NIX, 'copy', '--to', user.join('store'), ...args)
    }

    it('logs in, and from then on plain clients install; until they log out', async () => {
      const login = ['login', depot.url, '--identity', key.file]
      expect(await user.ok(login)).toContain(`with *:*:*`)
      expect(await user.ok(['whoami'])).toContain(key.fingerprint)
      await user.ok(['use'])
      for (const command of Object.values(INSTALLS)) await runAs(user, ...command(user))
      expect(await user.read('node_modules/greeting/index.js')).toContain('greeting@1.0.0')
      for (const folder of ['by-pip', 'by-old-pip', 'by-uv'])
        expect(await user.read(`${folder}/greeting.py`)).toBe('VALUE = "hello"\n')
      await nixCopy('--from', `${depot.url}/nix`, stored)
      expect(await user.read(`store${stored}`)).toBe('hello')
      await runAs(user, NIX, 'build', '--no-link', '--store', user.join('substituted'), stored)
      expect(await user.read(`substituted${stored}`)).toBe('hello')
      await user.write('package.json', '{"name":"greeting","version":"1.0.1"}')
      await expect(runAs(user, process.execPath, NPM, 'publish')).rejects.toThrow('your credentials do not permit this')

      await user.ok(['logout'])
      expect(await user.read('.npmrc')).toBe('')
      expect(await user.read('.config/nix/nix.conf')).toBe(NIX_CONF)
      await expect(runAs(user, NIX, 'path-info', '--refresh', '--store', `${depot.url}/nix`, stored)).rejects.toThrow(
        /is not valid|not appear to be a binary cache/,
      )
      expect(await user.ok(['token', 'list', depot.url, '--identity', key.file])).toMatch(/depot use on .* revoked/)
    })

    it('uses the depot for writing, and plain clients publish', async () => {
      await user.ok(['use', depot.url, '--identity', key.file, '--write'])
      const name = 'published-after-use'
      await user.write('package.json', JSON.stringify({ name, version: '1.0.0' }))
      await runAs(user, process.execPath, NPM, 'publish')
      await user.write('package.json', JSON.stringify({ name, version: '1.0.1' }))
      await runAs(user, process.execPath, NPM_12, 'publish')
      await user.write('hello.txt', 'hello after use')
      const added = (
        await runAs(user, NIX, 'store', 'add-file', '--store', user.join('store'), user.join('hello.txt'))
      ).trim()
      await runAs(user, NIX, 'copy', '--from', user.join('store'), '--to', `${depot.url}/nix`, added)
      const wheel = await user.write(GREETING_WHEEL.filename, GREETING_WHEEL.bytes.toString('latin1'))
      await runAs(
        user,
        UV,
        'publish',
        '--trusted-publishing',
        'never',
        '--publish-url',
        `${depot.url}/python/legacy/`,
        wheel,
      )
    })

    describe('pastes what token create --print says', () => {
      it('npmrc', async () => {
        await user.write('.npmrc', await token('--scope', 'npm:read:*', '--print', 'npmrc'))
        await runAs(user, ...command('npm', user))
      })

      it('netrc', async () => {
        await user.write('.netrc', await token('--print', 'netrc'))
        await runAs(user, 'curl', '-fsSn', `${depot.url}/nix/nix-cache-info`)
        await runAs(user, ...command('pip', user), '--index-url', `${depot.url}/python/simple/`)
        const options = ['--option', 'netrc-file', user.join('.netrc'), '--no-check-sigs']
        await nixCopy('--from', `${depot.url}/nix`, ...options, stored)
      })

      it('pip', async () => {
        const [config = '', netrc = ''] = parts(await token('--scope', 'python:read:*', '--print', 'pip'))
        await user.write('.config/pip/pip.conf', config)
        await user.write('.netrc', netrc)
        await runAs(user, ...command('pip', user))
        await runAs(user, ...command('pip 21.3', user))
      })

      it('uv', async () => {
        const [config = '', netrc = ''] = parts(await token('--scope', 'python:read:*', '--print', 'uv'))
        await user.write('.config/uv/uv.toml', config)
        await user.write('.netrc', netrc)
        await runAs(user, ...command('uv', user))
      })

      it('nix', async () => {
        const printed = await token('--scope', 'nix:read:*', '--print', 'nix')
        const [config = '', netrc = ''] = parts(printed.replace('/etc/nix/netrc', user.join('nix-netrc')))
        await user.write('.config/nix/nix.conf', NIX_CONF + config)
        await user.write('nix-netrc', netrc)
        await nixCopy('--from', `${depot.url}/nix`, stored)
      })

      it('env', async () => {
        await user.write('.npmrc', npmrcLine(`${depot.url}/npm/`, '_authToken', '${NODE_AUTH_TOKEN}'))
        const wheel = await user.write(`dist/${GREETING_WHEEL.filename}`, GREETING_WHEEL.bytes.toString('latin1'))
        const exports = await owner.write('exports', await token('--scope', '*:write:*', '--print', 'env'))
        const commands = [
          [...command('npm', user)],
          [...command('uv', user)],
          [TWINE, 'upload', wheel],
          [UV, 'publish', wheel],
        ].map((words) => words.map((word) => `'${word}'`).join(' '))
        await runAs(user, 'bash', '-c', ['set -eu', `. '${exports}'`, ...commands].join('\n'))
        expect(await user.read('node_modules/greeting/index.js')).toContain('greeting@1.0.0')
      })
    })
  },
)

function command(name: string, user: CliUser): readonly [string, ...string[]] {
  const known = INSTALLS[name]
  if (known === undefined) throw new Error(`nobody types ${name}`)
  return known(user)
}

/** What goes into one file each: every part begins with a comment that says which. */
function parts(printed: string): readonly string[] {
  return printed.split(/^(?=# )/m).map((part) => `${part.trimEnd()}\n`)
}
