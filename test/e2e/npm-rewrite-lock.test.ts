import { readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { cliUser, type CliUser } from '../helpers/cli-user.ts'
import { describeWith } from '../helpers/have.ts'
import { startLockWorld } from '../helpers/lock-world.ts'
import { appWith, NPM_TOOLS, npmToolAt, type NpmTool } from '../helpers/npm-tools.ts'
import { startUpstream } from '../helpers/upstream.ts'
import type { World } from '../helpers/world.ts'

const LIMIT_MS = 180_000
const APP = appWith({ '@acme/app': '^2.0.0', renamed: 'npm:shared-lib@1.0.0', native: '1.0.0', bundler: '1.0.0' })

let world: World
let user: CliUser

beforeAll(async () => {
  world = await startLockWorld()
  user = await cliUser()
}, LIMIT_MS)
afterAll(async () => {
  await user[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** A lock file that was made with another registry, which has gone since; its packages are those of the depot. */
async function lockOfAnother(tool: NpmTool): Promise<{ readonly lock: string; readonly registry: string }> {
  await using another = await startUpstream((request, response) => {
    void fetch(world.url + (request.url ?? ''), { headers: { accept: request.headers.accept ?? '*/*' } }).then(
      async (answer) => {
        const body = Buffer.from(await answer.arrayBuffer())
        const isJson = answer.headers.get('content-type')?.includes('json') === true
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
        response.end(isJson ? body.toString().replaceAll(world.url, another.url) : body)
      },
    )
  })
  const registry = another.url
  await using client = await npmToolAt(tool, `${registry}/npm/`, ...withAddresses(tool))
  const folder = await client.folder('app', APP, filesOf(tool))
  await client.run(folder, ...tool.install)
  return { lock: await readFile(path.join(folder, tool.lockFile), 'utf8'), registry }
}

/** pnpm writes addresses when it is told to. */
function withAddresses({ client }: NpmTool): string[] {
  return client.startsWith('pnpm') ? ['lockfile-include-tarball-url=true'] : []
}

function filesOf({ client, files = {} }: NpmTool): Readonly<Record<string, string>> {
  return client.startsWith('pnpm') ? { 'pnpm-workspace.yaml': 'lockfileIncludeTarballUrl: true\n' } : files
}

for (const tool of NPM_TOOLS.filter(({ client }) => client !== 'yarnBerry')) {
  describeWith(tool.client, `e2e/rewrite-lock: ${tool.label}`, () => {
    it(
      'installs from the depot what a lock file of another registry names, once that is rewritten',
      { timeout: LIMIT_MS },
      async () => {
        const { lock, registry } = await lockOfAnother(tool)
        expect(lock).toContain(registry)
        await using client = await npmToolAt(tool, `${world.url}/npm/`, ...withAddresses(tool))
        const folder = await client.folder('app', APP, { ...filesOf(tool), [tool.lockFile]: lock })
        await client.failure(folder, ...tool.frozen)

        const file = path.join(folder, tool.lockFile)
        await user.ok(['npm', 'rewrite-lock', file, world.url])
        const rewritten = await readFile(file, 'utf8')
        expect(rewritten).toBe(lock.replaceAll(registry, world.url))
        await client.run(folder, ...tool.frozen)
        expect(await readFile(file, 'utf8')).toBe(rewritten)
        const installed = await readFile(path.join(folder, 'node_modules/renamed/package.json'), 'utf8')
        expect(JSON.parse(installed)).toMatchObject({ name: 'shared-lib', version: '1.0.0' })
      },
    )
  })
}

describe('depot npm rewrite-lock', { timeout: LIMIT_MS }, () => {
  const LOCK = `# yarn lockfile v1

a@^1:
  version "1.0.0"
  resolved "https://me:secret@r.example/x/a/-/a-1.0.0.tgz#6205717a6557e5fb0085170b6d2e763f6a2bcea6"

"b@git+https://me:secret@git.example/b.git":
  version "1.0.0"
  resolved "git+https://me:secret@git.example/b.git#0a1b"
`
  const REWRITTEN = LOCK.replace('https://me:secret@r.example/x', 'https://depot.example/npm')

  async function written(name: string): Promise<string> {
    const file = user.join(name)
    await writeFile(file, LOCK, { mode: 0o640 })
    return file
  }

  it('shows with --dry-run what it would change, and checks with --check, without passwords and without changing anything', async () => {
    const file = await written('yarn.lock')
    const shown = await user.run(['npm', 'rewrite-lock', '--dry-run', file, 'https://depot.example/npm/'])
    expect(shown.status).toBe(0)
    expect(shown.stdout).toContain(`@@ -5 +5 @@\n-  resolved "https://<secret>@r.example/x/a/-/a-1.0.0.tgz#`)
    expect(shown.stdout).toContain('\n+  resolved "https://depot.example/npm/a/-/a-1.0.0.tgz#')
    const checked = await user.run(['npm', 'rewrite-lock', '--check', file, 'https://depot.example'])
    expect([checked.status, checked.stdout]).toEqual([1, ''])
    expect(checked.stderr).toContain('yarn.lock: 1 address would be at https://depot.example/npm\n')
    expect(checked.stderr).toMatch(
      /left as it is: b@git\S+ \(git\+https:\/\/<secret>@git\.example\/b\.git#0a1b\): a git/,
    )
    for (const { stdout, stderr } of [shown, checked]) expect(stdout + stderr).not.toContain('me:secret')
    expect(await readFile(file, 'utf8')).toBe(LOCK)
  })

  it('changes a lock file for the depot that DEPOT_URL names, keeps its mode, and does nothing twice', async () => {
    const file = await written('yarn.lock')
    const env = { DEPOT_URL: 'https://depot.example' }
    await user.ok(['npm', 'rewrite-lock', file], env)
    expect(await readFile(file, 'utf8')).toBe(REWRITTEN)
    expect((await stat(file)).mode & 0o777).toBe(0o640)
    const again = await user.run(['npm', 'rewrite-lock', '--check', file], env)
    expect([again.status, again.stderr.split('\n')[0]]).toEqual([0, `depot: ${file}: nothing to change`])
    await user.ok(['npm', 'rewrite-lock', file, '--registry', 'https://registry.npmjs.org/'])
    expect(await readFile(file, 'utf8')).toBe(
      REWRITTEN.replace('https://depot.example/npm', 'https://registry.npmjs.org'),
    )
  })

  it('refuses what it cannot do, and says what to do', async () => {
    const file = await written('yarn.lock')
    const refused = async (...args: readonly string[]) => {
      const { status, stderr } = await user.run(['npm', 'rewrite-lock', ...args])
      return `${status} ${stderr}`
    }
    expect(await refused(user.join('absent/yarn.lock'), 'https://d.example')).toMatch(
      /^1 .*there is no \S+absent\/yarn\.lock/,
    )
    expect(await refused(file, 'https://d.example', '--registry', 'https://r.example')).toMatch(/^2 .*not both/)
    expect(await refused(file, '--registry', 'https://u:p@r.example')).toMatch(/^2 .*no credentials in URLs/)
    expect(await refused(file, '--registry', 'npm')).toMatch(/^2 .*not the URL of a registry/)
    expect(await refused(file)).toMatch(/^2 .*which depot\?/)
    await writeFile(file, Buffer.from('a@1:\n  version "\xff"\n', 'latin1'))
    expect(await refused(file, 'https://d.example')).toMatch(/^1 .*it is not UTF-8 text/)
    await writeFile(file, 'a@1:\n version "1"\n')
    expect(await refused(file, 'https://d.example')).toMatch(/^1 \S+ \S+yarn\.lock:2: it is indented by no level/)
  })
})
