import { rm } from 'node:fs/promises'

import { expect, it } from 'vitest'

import { attestation } from '../helpers/attestation.ts'
import { cliUser, type CliUser } from '../helpers/cli-user.ts'
import { describeWith, have } from '../helpers/have.ts'
import { type PythonClient, pythonClient } from '../helpers/python-client.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../helpers/wheel.ts'

const { python: PYTHON, pip: PIP, pipOld: PIP_OLD, uv: UV, twine: TWINE, pipTools: PIP_TOOLS } = have.paths

const FIRST = buildWheel({ name: 'greeting', version: '1.0' })
const SECOND = buildWheel({ name: 'greeting', version: '1.1' })
const [FIRST_SOURCE, SECOND_SOURCE] = ['1.0', '1.1'].map((version) => buildSdist({ name: 'greeting', version }))

interface Team extends AsyncDisposable {
  readonly server: ServerProcess
  readonly user: CliUser
  readonly client: PythonClient
  /** A `depot python` command. */
  depot(...args: readonly string[]): Promise<string>
  install(installer: Installer, requirement: string): Promise<{ readonly status: number; readonly output: string }>
  publish(publisher: Publisher, file: BuiltFile): ReturnType<PythonClient['run']>
}

/** A depot with files in it, whoever publishes and whoever installs. */
async function team(files: readonly BuiltFile[]): Promise<Team> {
  const server = await startServerProcess()
  const [user, client] = await Promise.all([cliUser(), pythonClient()])
  for (const file of files) expect((await postForm(server.url, uploadForm(file))).status).toBe(200)
  return {
    server,
    user,
    client,
    depot: (...args) => user.ok(['python', ...args, server.url]),
    async install(installer, requirement) {
      const target = client.join('target')
      await rm(target, { recursive: true, force: true })
      const ran = await INSTALL[installer](client, `${server.url}/python/simple/`, [`--target=${target}`, requirement])
      if (ran.status !== 0) return ran
      const value = await client.ok(PYTHON, ['-c', 'import greeting; print(greeting.VALUE)'], { PYTHONPATH: target })
      return { status: 0, output: `${ran.output}installed ${value}` }
    },
    async publish(publisher, file) {
      const [path = ''] = await client.save(file)
      return PUBLISH[publisher](client, `${server.url}/python/legacy/`, path)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([server, user, client].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

type Installer = 'pip' | 'pip 21.3' | 'uv'
type Publisher = 'twine' | 'uv'

const byPip =
  (pip: string) =>
  (client: PythonClient, index: string, args: readonly string[]): ReturnType<PythonClient['run']> =>
    client.run(pip, ['install', '--no-cache-dir', ...args], { PIP_INDEX_URL: index })

const INSTALL = {
  pip: byPip(PIP),
  'pip 21.3': byPip(PIP_OLD),
  uv: (client: PythonClient, index: string, args: readonly string[]) =>
    client.run(UV, ['pip', 'install', '--no-cache', '--python', PYTHON, ...args], { UV_DEFAULT_INDEX: index }),
}
const INSTALLERS = Object.keys(INSTALL) as Installer[]

const PUBLISH = {
  twine: (client: PythonClient, url: string, file: string) =>
    client.run(TWINE, ['upload', '--disable-progress-bar', '--verbose', file], {
      TWINE_REPOSITORY_URL: url,
      TWINE_USERNAME: '__token__',
      TWINE_PASSWORD: 'any',
    }),
  uv: (client: PythonClient, url: string, file: string) =>
    client.run(UV, ['publish', file], { UV_PUBLISH_URL: url, UV_PUBLISH_TOKEN: 'any' }),
}

describeWith(['python', 'pip', 'pipOld', 'uv'], 'e2e/python: a yanked version', () => {
  it.each(INSTALLERS)('is passed over by %s unless it is pinned, until the yank is taken back', async (installer) => {
    await using all = await team([FIRST, SECOND])
    expect((await all.install(installer, 'greeting')).output).toContain('installed 1.1')
    expect(await all.depot('yank', 'greeting', '1.1', '--reason', 'says goodbye')).toBe(`yanked ${SECOND.filename}\n`)
    expect((await all.install(installer, 'greeting')).output).toContain('installed 1.0')
    const pinned = await all.install(installer, 'greeting==1.1')
    expect(pinned.output).toContain('installed 1.1')
    expect(pinned.output).toContain('says goodbye')
    expect(await all.depot('list', 'greeting')).toContain('yanked: says goodbye')
    expect(await all.depot('unyank', 'greeting', SECOND.filename, '--json')).toBe(
      `${JSON.stringify({ file: SECOND.filename, version: '1.1', size: SECOND.bytes.byteLength, yanked: false })}\n`,
    )
    expect((await all.install(installer, 'greeting')).output).toContain('installed 1.1')
  })
})

describeWith(['python', 'pip', 'pipOld', 'uv', 'twine'], 'e2e/python: what was deleted', () => {
  it.each(INSTALLERS)('is found by %s no more, while the rest of its project is', async (installer) => {
    await using all = await team([FIRST, SECOND])
    expect(await all.depot('rm', 'greeting', '1.1', '--dry-run')).toBe(`would delete ${SECOND.filename}\n`)
    const unasked = await all.user.run(['python', 'rm', 'greeting', '1.1', all.server.url])
    expect(unasked).toMatchObject({ status: 2, stdout: '' })
    expect(unasked.stderr).toContain('--yes')
    expect((await all.install(installer, 'greeting')).output).toContain('installed 1.1')
    expect(await all.depot('rm', 'greeting', '1.1', '--yes')).toBe(`deleted ${SECOND.filename}\n`)
    expect((await all.install(installer, 'greeting')).output).toContain('installed 1.0')
    expect((await all.install(installer, 'greeting==1.1')).status).not.toBe(0)
    await all.depot('rm', 'greeting', '--yes')
    expect((await all.install(installer, 'greeting')).status).not.toBe(0)
    expect(await all.depot('list')).toBe('')
  })

  it.each(['twine', 'uv'] as const)(
    'cannot be published by %s under its name, unless that is forgotten',
    async (publisher) => {
      await using all = await team([FIRST])
      await all.depot('rm', 'greeting', FIRST.filename, '--yes')
      const other = buildWheel({ name: 'greeting', version: '1.0', value: 'other' })
      for (const file of [FIRST, other]) {
        const refused = await all.publish(publisher, file)
        expect(refused.status).not.toBe(0)
        expect(refused.output).toContain('was deleted')
      }
      expect(await all.depot('list', 'greeting')).toContain(FIRST.filename)
      expect(await all.depot('forget', FIRST.filename)).toBe(`${FIRST.filename} may be published again\n`)
      expect(await all.publish(publisher, other)).toMatchObject({ status: 0 })
      expect((await all.install('uv', 'greeting')).output).toContain('installed other')
    },
  )
})

describeWith(['python', 'pip', 'pipOld', 'uv', 'twine'], 'e2e/python: the status of a project', () => {
  it.each(INSTALLERS)('quarantined hides every file from %s, and nothing else', async (installer) => {
    await using all = await team([FIRST])
    expect(await all.depot('status', 'greeting', 'quarantined', '--reason', 'stolen key')).toBe(
      'greeting: quarantined (stolen key)\n',
    )
    expect((await all.install(installer, 'greeting')).status).not.toBe(0)
    expect(await all.depot('status', 'greeting')).toBe('greeting: quarantined (stolen key)\n')
    await all.depot('status', 'greeting', 'active')
    expect((await all.install(installer, 'greeting')).output).toContain('installed 1.0')
  })

  it.each(['twine', 'uv'] as const)('archived is what %s says when it may not publish', async (publisher) => {
    await using all = await team([FIRST])
    expect(JSON.parse(await all.depot('status', 'greeting', 'archived', '--json'))).toEqual({
      project: 'greeting',
      status: 'archived',
    })
    const refused = await all.publish(publisher, SECOND)
    expect(refused.status).not.toBe(0)
    expect(refused.output).toContain('archived')
    expect((await all.install('pip', 'greeting')).output).toContain('installed 1.0')
  })
})

describeWith(['python', 'pip', 'uv'], 'e2e/python: an sdist whose metadata holds for its wheels', () => {
  const sdist = (version: string, headers: readonly string[] = []) =>
    buildSdist({ name: 'greeting', version, metadataVersion: '2.2', headers, requires: ['other'] })
  const other = buildWheel({ name: 'other', version: '3' })

  it.each(['pip', 'uv'] as const)('is installed by %s', async (installer) => {
    await using all = await team([sdist('1.0'), other])
    expect((await all.install(installer, 'greeting==1.0')).output).toContain('installed 1.0')
  })

  it('is resolved by pip from that metadata, and one whose dependencies are decided by its build is not', async () => {
    await using all = await team([sdist('1.0'), sdist('2.0', ['Dynamic: Requires-Dist']), other])
    const path = `/python/files/greeting/${sdist('1.0').filename}.metadata`
    expect(await (await fetch(all.server.url + path)).text()).toContain('Requires-Dist: other')
    expect((await fetch(all.server.url + path.replace('1.0', '2.0'))).status).toBe(404)
    const index = { PIP_INDEX_URL: `${all.server.url}/python/simple/` }
    const resolve = (requirement: string) =>
      all.client.ok(PIP, ['install', '--dry-run', '--ignore-installed', '--no-cache-dir', requirement], index)
    const asked = () => all.server.logs().match(/\.tar\.gz\.metadata","status":200/g)
    expect(await resolve('greeting==1.0')).toContain('other-3')
    // Ours above, and pip's.
    await expect.poll(() => asked()?.length).toBe(2)
    expect(await resolve('greeting==2.0')).toContain('other-3')
  })
})

describeWith(['python', 'uv'], 'e2e/python: uv publish with attestations', () => {
  it('has them kept byte for byte beside the file, and is told when one is of another file', async () => {
    await using all = await team([])
    const beside = (about: BuiltFile) =>
      all.client.write(`dist/${FIRST.filename}.publish.attestation`, JSON.stringify(attestation(about)))
    const publish = async (about: BuiltFile) => {
      const files = [...(await all.client.save(FIRST)), await beside(about)]
      const url = `${all.server.url}/python/legacy/`
      return all.client.run(UV, ['publish', ...files], { UV_PUBLISH_URL: url, UV_PUBLISH_TOKEN: 'any' })
    }
    const refused = await publish(SECOND)
    expect(refused.status).not.toBe(0)
    expect(refused.output).toContain('another file')
    expect(await publish(FIRST)).toMatchObject({ status: 0 })
    const answer = await fetch(`${all.server.url}/python/integrity/greeting/1.0/${FIRST.filename}/provenance`)
    expect(await answer.json()).toMatchObject({ attestation_bundles: [{ attestations: [attestation(FIRST)] }] })
  })
})

describeWith(['python', 'pipTools'], 'e2e/python: pip-compile --generate-hashes', () => {
  it('takes the hashes of all files from one page, and downloads none of them', async () => {
    const local = buildWheel({ name: 'My.Pkg_x', version: '1.0+local', tag: 'py3-none-any' })
    const foreign = buildWheel({ name: 'My.Pkg_x', version: '1.0+local', tag: 'cp39-cp39-win_amd64' })
    await using all = await team([local, foreign])
    const input = await all.client.write('requirements.in', 'My.Pkg_x\n')
    const index = `${all.server.url}/python/simple/`
    const output = await all.client.ok(PIP_TOOLS, ['--generate-hashes', '--no-header', '-o', '-', input], {
      PIP_INDEX_URL: index,
    })
    for (const { sha256 } of [local, foreign]) expect(output).toContain(`--hash=sha256:${sha256}`)
    await expect.poll(() => all.server.logs()).toContain('/json"')
    expect(all.server.logs()).not.toMatch(/"path":"[^"]+\.whl","status":200/)
  })
})

describeWith('python', 'depot python', () => {
  it.each([
    [['yank', 'greeting']],
    [['yank', 'greeting', 'not a version']],
    [['yank', 'greeting', 'other-1.0-py3-none-any.whl']],
    [['yank', '../greeting', '1.0']],
    [['rm', 'greeting', '1.0', '2.0', 'http://127.0.0.1:9']],
    [['rm', 'http://127.0.0.1:9']],
    [['status', 'greeting', 'gone']],
    [['status', 'greeting', '--reason', 'why']],
    [['forget', 'greeting']],
    [['list', 'a', 'b']],
  ])('takes %j for wrong usage', async (args) => {
    await using user = await cliUser()
    expect((await user.run(['python', ...args])).status).toBe(2)
  })

  it('lists projects and files, for people and as JSON', async () => {
    await using all = await team([FIRST, SECOND, FIRST_SOURCE, SECOND_SOURCE].filter((file) => file !== undefined))
    expect(await all.depot('list')).toBe('greeting\n')
    expect(await all.depot('list', '--json')).toBe('{"project":"greeting"}\n')
    const listed = await all.depot('list', 'Greeting')
    expect(listed).toMatch(/^greeting: active\nuploaded +version +size +file\n/)
    expect(listed.trim().split('\n')).toHaveLength(6)
    const info = JSON.parse(await all.depot('list', 'greeting', '--json')) as { files: object[] }
    expect(info.files).toHaveLength(4)
    const missing = await all.user.run(['python', 'list', 'absent', all.server.url])
    expect([missing.status, missing.stdout]).toEqual([1, ''])
  })
})
