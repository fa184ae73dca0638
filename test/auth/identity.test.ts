import { execFileSync } from 'node:child_process'
import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { findSigners, type IdentityOptions } from '../../auth/identity.ts'
import { describeWith, have } from '../helpers/have.ts'
import { makeKey, startAgent, type TestKey } from '../helpers/ssh-keys.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

const PASSPHRASE = 'correct horse'

describeWith('openssh', 'the keys that may sign a login', () => {
  let shelf: TempDir
  let ed25519: TestKey
  let ecdsa: TestKey
  let rsa: TestKey
  let locked: TestKey
  let weak: TestKey
  beforeAll(async () => {
    shelf = await tempDir('keys')
    ed25519 = await makeKey(shelf.path, { kind: 'ed25519' })
    ecdsa = await makeKey(shelf.path, { kind: 'ecdsa-256', format: 'PEM' })
    rsa = await makeKey(shelf.path, { kind: 'rsa-2048' })
    locked = await makeKey(shelf.path, { kind: 'ed25519', passphrase: PASSPHRASE }, 'locked')
    weak = await makeKey(shelf.path, { kind: 'rsa-1024' })
  })
  afterAll(() => shelf[Symbol.asyncDispose]())

  it('are those of the agent first, then those at the usual places, each once', async () => {
    await using home = await homeWith({ id_ed25519: ed25519, id_ecdsa: ecdsa, id_rsa: rsa })
    await using agent = await startAgent([rsa, weak])
    const found = await find({ home: home.path, agentSocket: agent.socket })
    expect(found.fingerprints).toEqual([rsa, ed25519, ecdsa].map(({ fingerprint }) => fingerprint))
    expect(found.comments).toEqual(['rsa-2048@test', home.join('.ssh/id_ed25519'), home.join('.ssh/id_ecdsa')])
    expect(found.reasons).toEqual([expect.stringContaining('rsa-1024@test in the SSH agent: ssh-rsa of 1024 bits')])
  })

  it('are none where there are none, and nothing speaks against anything', async () => {
    await using home = await tempDir('home')
    expect(await find({ home: home.path })).toEqual({ fingerprints: [], comments: [], reasons: [], prompts: [] })
  })

  it('are five at most', async () => {
    await using home = await homeWith({ id_ed25519: ed25519 })
    const keys: TestKey[] = []
    for (let at = 0; at < 6; at++) keys.push(await makeKey(home.path, { kind: 'ed25519' }, `agent-${at}`))
    await using agent = await startAgent(keys)
    const { fingerprints } = await find({ home: home.path, agentSocket: agent.socket })
    expect(fingerprints).toEqual(keys.slice(0, 5).map(({ fingerprint }) => fingerprint))
  })

  it('are opened only when it is their turn', async () => {
    await using home = await homeWith({})
    await mkdir(home.join('.ssh/id_ed25519'))
    await using agent = await startAgent([rsa])
    const reasons: string[] = []
    const signers = findSigners({ ...nobody(home.path, reasons), agentSocket: agent.socket })
    expect((await signers.next()).value).toMatchObject({ fingerprint: rsa.fingerprint })
    expect(reasons).toEqual([])
    expect(await signers.next()).toMatchObject({ done: true })
    expect(reasons).toEqual([expect.stringContaining('id_ed25519 is not a private key')])
  })

  it('are asked a passphrase for when there is nothing else', async () => {
    await using home = await homeWith({ id_ed25519: locked, id_rsa: rsa })
    expect(await find({ home: home.path })).toMatchObject({ fingerprints: [rsa.fingerprint], prompts: [] })
    await rm(home.join('.ssh/id_rsa'))
    expect(await find({ home: home.path })).toMatchObject({
      fingerprints: [locked.fingerprint],
      prompts: [`Passphrase of ${home.join('.ssh/id_ed25519')}: `],
    })
  })

  it('say why there is none: nobody to ask, too open, too weak, no agent', async () => {
    await using home = await homeWith({ id_ed25519: locked, id_ecdsa: ecdsa, id_rsa: weak })
    await chmod(home.join('.ssh/id_ecdsa'), 0o644)
    const reasons: string[] = []
    const agentSocket = home.join('no-agent')
    const signers = findSigners({ ...nobody(home.path, reasons), agentSocket })
    expect(await Array.fromAsync(signers)).toEqual([])
    expect(reasons.toSorted()).toEqual(
      [
        `${home.join('.ssh/id_ecdsa')} is open to others: close it with chmod 600, or make a new key`,
        `${home.join('.ssh/id_ed25519')} needs its passphrase, and there is nobody to ask: add it to an SSH agent`,
        `${home.join('.ssh/id_rsa')}: ssh-rsa of 1024 bits is refused, 2048 are needed; make one with: ssh-keygen -t ed25519`,
        `the SSH agent at ${agentSocket} cannot be reached`,
      ].toSorted(),
    )
  })

  it('are the one that was named by its file, and no other', async () => {
    await using home = await homeWith({ id_ed25519: ed25519, id_rsa: rsa })
    await using agent = await startAgent([ecdsa])
    const where = { home: home.path, agentSocket: agent.socket }
    expect((await find({ ...where, identity: rsa.file })).fingerprints).toEqual([rsa.fingerprint])
    expect((await find({ ...where, identity: '~/.ssh/id_rsa' })).fingerprints).toEqual([rsa.fingerprint])
    expect((await find({ ...where, identity: locked.file })).prompts).toEqual([`Passphrase of ${locked.file}: `])
    await expect(find({ ...where, identity: weak.file })).rejects.toThrow('ssh-rsa of 1024 bits is refused')
    await expect(find({ ...where, identity: home.join('none') })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('are the one that was named by its public file: in the agent, or beside it', async () => {
    await using home = await homeWith({})
    await using agent = await startAgent([ed25519])
    const pub = home.join('mine.pub')
    await cp(`${ed25519.file}.pub`, pub)
    const held = await find({ home: home.path, agentSocket: agent.socket, identity: pub })
    expect(held).toMatchObject({ fingerprints: [ed25519.fingerprint], comments: ['ed25519@test'] })
    await expect(find({ home: home.path, identity: pub })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `no SSH agent has the key of ${pub}, and ${home.join('mine')} is not there`,
    })
    await cp(rsa.file, home.join('mine'))
    await expect(find({ home: home.path, identity: pub })).rejects.toThrow(`${home.join('mine')} is another one`)
    await cp(ed25519.file, home.join('mine'))
    expect(await find({ home: home.path, identity: pub })).toMatchObject({ fingerprints: [ed25519.fingerprint] })
    await writeFile(pub, 'sk-ssh-ed25519@openssh.com AAAA me\n')
    await expect(find({ home: home.path, identity: pub })).rejects.toThrow(
      `${pub}: sk-ssh-ed25519@openssh.com is refused`,
    )
    await writeFile(pub, 'x'.repeat(20_000))
    await expect(find({ home: home.path, identity: pub })).rejects.toThrow('is not an SSH public key')
  })

  it('are the one that was named by its fingerprint: in the agent, or at a usual place', async () => {
    await using home = await homeWith({ id_ed25519: locked, id_ecdsa: ecdsa })
    await using agent = await startAgent([rsa])
    const where = { home: home.path, agentSocket: agent.socket }
    for (const { fingerprint } of [rsa, ecdsa, locked])
      expect((await find({ ...where, identity: fingerprint })).fingerprints).toEqual([fingerprint])
    await expect(find({ ...where, identity: ed25519.fingerprint })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `no SSH agent and no file in ~/.ssh has the key ${ed25519.fingerprint}`,
    })
  })

  it('need no passphrase that was given to the agent before', async () => {
    await using home = await homeWith({})
    const held = await makeKey(home.path, { kind: 'ecdsa-384' }, 'plain')
    await using agent = await startAgent([held])
    execFileSync(have.paths.openssh, ['-q', '-p', '-P', '', '-N', PASSPHRASE, '-f', held.file])
    const found = await find({ home: home.path, agentSocket: agent.socket, identity: held.file })
    expect(found).toMatchObject({ fingerprints: [held.fingerprint], prompts: [] })
  })
})

interface Found {
  readonly fingerprints: string[]
  readonly comments: string[]
  readonly reasons: string[]
  readonly prompts: string[]
}

/** Everything that is found, by somebody who knows the passphrase. */
async function find(options: Pick<IdentityOptions, 'home'> & Partial<IdentityOptions>): Promise<Found> {
  const prompts: string[] = []
  const reasons: string[] = []
  const ask = (prompt: string) => {
    prompts.push(prompt)
    return Promise.resolve(PASSPHRASE)
  }
  const signers = await Array.fromAsync(findSigners({ ...nobody(options.home, reasons), ask, ...options }))
  const fingerprints = signers.map(({ fingerprint }) => fingerprint)
  return { fingerprints, comments: signers.map(({ comment }) => comment), reasons, prompts }
}

function nobody(home: string, reasons: string[]): IdentityOptions {
  return {
    home,
    uid: process.getuid?.(),
    agentSocket: undefined,
    identity: undefined,
    ask: undefined,
    onRefused: (reason) => reasons.push(reason),
  }
}

/** A home directory with these keys at ssh's places. */
async function homeWith(keys: Readonly<Record<string, TestKey>>): Promise<TempDir> {
  const home = await tempDir('home')
  await mkdir(home.join('.ssh'), { mode: 0o700 })
  for (const [name, key] of Object.entries(keys)) await cp(key.file, home.join('.ssh', name))
  return home
}
