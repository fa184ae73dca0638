import { execFile } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { appendFile, chmod, mkdir, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { describe, expect, it, vi } from 'vitest'

import { startFollowing } from '../../auth/follow-auth-file.ts'
import { openAuthFile, type AuthFile, type OpenAuthFileOptions } from '../../auth/watch-auth-file.ts'
import { LIMITS } from '../../src/limits.ts'
import { lineKey } from '../helpers/auth-lines.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const [ANNE, BERT, CARO] = [lineKey(1), lineKey(2), lineKey(3)]
const ONE = `w ${ANNE.text} anne\n`
const TWO = `${ONE}r ${BERT.text} bert\n`
/** So long that only hints of the system can be the reason when a change is seen. */
const NEVER_MS = 600_000
const POLL_MS = 100
/** Of what comes sooner, but on a machine that stands still. */
const DEADLINE_MS = 30_000

describe('an auth file at the start', () => {
  it('gives its keys, and says what is strange about them', async () => {
    await using world = await openWorld(`${TWO}w ${BERT.text}\n`)
    expect(holders(world.auth)).toEqual([ANNE.fingerprint, BERT.fingerprint])
    expect(world.auth.current()).toMatchObject({ generation: 1, hasReadKeys: true })
    expect(world.warnings).toEqual([expect.stringMatching(/auth: line 3: the key of line 2 again/)])
    expect(world.told).toEqual([])
  })

  it('that is missing, or has no keys, permits nobody anything, and says so', async () => {
    for (const content of [undefined, '', '# no keys\n']) {
      await using world = await openWorld(content)
      expect(world.auth.current()).toMatchObject({ generation: 1, hasReadKeys: true, keys: new Map() })
      expect(world.warnings).toEqual([expect.stringContaining('nobody may do anything')])
    }
  })

  it.each([
    ['a bad line', `${ONE}\nx\n`, 'auth: line 3: '],
    ['too many bytes', '#'.repeat(LIMITS.authFileBytesMax + 1), 'auth: it cannot be read: it has more than'],
  ])('that has %s is refused, with its name', async (_what, content, reason) => {
    await expect(openWorld(content)).rejects.toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
    await expect(openWorld(content)).rejects.toThrow(reason)
  })

  it('that is a directory or a pipe is refused at once', async () => {
    await using directory = await tempDir('auth')
    await promisify(execFile)('mkfifo', [directory.join('pipe')])
    for (const name of ['.', 'pipe'])
      await expect(openAuthFile(options(directory.join(name)))).rejects.toThrow('not a regular file')
  })

  it('that others may write to is warned of, and again when it becomes so', async () => {
    await using world = await openWorld(ONE, { mode: 0o664 })
    expect(world.warnings).toEqual([expect.stringContaining('others may write to it (mode 664)')])
    await chmod(world.file, 0o600)
    await world.auth.reload()
    await chmod(world.file, 0o602)
    await world.auth.reload()
    await world.auth.reload()
    expect(world.warnings).toHaveLength(2)
    expect(world.warnings[1]).toContain('mode 602')
  })
})

describe('a change of the auth file', () => {
  it.each([
    ['a write in place', (file: string) => writeFile(file, TWO)],
    ['an appended line', (file: string) => appendFile(file, `r ${BERT.text} bert\n`)],
    ['a rename over it, as editors do', (file: string) => replace(file, TWO)],
    ['a removal and a new file', (file: string) => unlink(file).then(() => writeFile(file, TWO))],
  ])('by %s counts at once', async (_how, change) => {
    await using world = await openWorld(ONE, { pollMs: NEVER_MS })
    await change(world.file)
    await seen(world, [ANNE.fingerprint, BERT.fingerprint])
    expect(world.auth.current()).toMatchObject({ generation: 2, hasReadKeys: true })
    expect(world.told.at(-1)).toBe('reloaded 2')
  })

  it('by the swap of a link, as Kubernetes does, counts at once', async () => {
    await using directory = await tempDir('auth')
    await layOut(directory.path, '..one', ONE)
    await symlink('..one', directory.join('..data'))
    await symlink('..data/auth', directory.join('auth'))
    await using world = await follow(directory.join('auth'), { pollMs: NEVER_MS })
    await layOut(directory.path, '..two', TWO)
    await symlink('..two', directory.join('..data_tmp'))
    await rename(directory.join('..data_tmp'), directory.join('..data'))
    await rm(directory.join('..one'), { recursive: true })
    await seen(world, [ANNE.fingerprint, BERT.fingerprint])
  })

  it('counts after a while where the system gives no hint, as through a link to elsewhere', async () => {
    await using elsewhere = await tempDir('elsewhere')
    await using directory = await tempDir('auth')
    await writeFile(elsewhere.join('keys'), TWO)
    await symlink(elsewhere.join('keys'), directory.join('auth'))
    await using world = await follow(directory.join('auth'), {})
    await writeFile(elsewhere.join('keys'), ONE)
    await seen(world, [ANNE.fingerprint])
  })

  it('is seen although size and time are those of before', async () => {
    await using world = await openWorld(ONE, { pollMs: NEVER_MS })
    const time = new Date('2026-01-01T00:00:00Z')
    await utimes(world.file, time, time)
    await writeFile(world.file, `w ${BERT.text} anne\n`)
    await utimes(world.file, time, time)
    await world.auth.reload()
    expect(holders(world.auth)).toEqual([BERT.fingerprint])
  })

  it('of its time alone is none', async () => {
    await using world = await openWorld(ONE)
    await utimes(world.file, new Date(), new Date())
    await writeFile(world.file, ONE)
    await world.auth.reload()
    expect(world.auth.current().generation).toBe(1)
    expect(world.told).toEqual([])
  })

  it('is seen after the directory was replaced, and after it was gone for a while', async () => {
    await using directory = await tempDir('auth')
    await layOut(directory.path, 'etc', ONE)
    await using world = await follow(directory.join('etc', 'auth'), { pollMs: POLL_MS })
    await rename(directory.join('etc'), directory.join('old'))
    await layOut(directory.path, 'etc', TWO)
    await seen(world, [ANNE.fingerprint, BERT.fingerprint])
    await rm(directory.join('etc'), { recursive: true })
    await vi.waitFor(() => expect(world.told.at(-1)).toContain('it is missing'), DEADLINE_MS)
    await layOut(directory.path, 'etc', ONE)
    await seen(world, [ANNE.fingerprint])
  })

  it('is seen when not even the directory was there at the start', async () => {
    await using directory = await tempDir('auth')
    await using world = await follow(directory.join('etc', 'auth'), { pollMs: POLL_MS })
    await layOut(directory.path, 'etc', ONE)
    await seen(world, [ANNE.fingerprint])
  })

  it('is the last one after twenty quick ones', async () => {
    await using world = await openWorld(ONE, { pollMs: NEVER_MS })
    for (let change = 0; change < 20; change++) {
      const content = change === 19 ? `w ${CARO.text}\n` : `w ${lineKey(100 + change).text}\n`
      await (change % 2 === 0 ? writeFile(world.file, content) : replace(world.file, content))
    }
    await seen(world, [CARO.fingerprint])
    const { generation } = world.auth.current()
    await world.auth.reload()
    expect(world.auth.current().generation).toBe(generation)
  })

  it('leaves what somebody holds already as it was: all of one file', async () => {
    await using world = await openWorld(TWO)
    const before = world.auth.current()
    await writeFile(world.file, ONE)
    await world.auth.reload()
    expect([...before.keys.keys()]).toEqual([ANNE.fingerprint, BERT.fingerprint])
    expect(world.auth.current()).not.toBe(before)
  })

  it('is not taken while it is still being written', async () => {
    await using directory = await tempDir('auth')
    const file = directory.join('auth')
    await writeFile(file, TWO)
    const { told, ...source } = options(file)
    const follower = await startFollowing(source)
    await writeFile(file, ONE)
    const done = follower.follow()
    // At once and not by a thread: before the second look, however late this comes.
    setTimeout(() => appendFileSync(file, `r ${CARO.text}\n`), 20)
    await done
    expect(told).toEqual(['reloaded 2'])
    expect([...follower.current().keys.keys()]).toEqual([ANNE.fingerprint, CARO.fingerprint])
  })
})

describe('a change of the auth file that is not good', () => {
  it.each([
    ['is missing', (file: string) => unlink(file), 'it is missing'],
    ['is empty', (file: string) => writeFile(file, ''), 'it has no keys'],
    ['has only comments', (file: string) => writeFile(file, '# none\n'), 'it has no keys'],
    ['has a bad line', (file: string) => writeFile(file, `${ONE}w ${BERT.text} scopes=npm:read:*\n`), 'line 2: '],
    ['is too long', (file: string) => replace(file, '#'.repeat(LIMITS.authFileBytesMax + 1)), 'it has more than'],
    ['is a directory', (file: string) => unlink(file).then(() => mkdir(file)), 'not a regular file'],
    ['is not text', (file: string) => writeFile(file, Buffer.alloc(1000, 0xff)), 'line 1: '],
  ])('since it %s changes nothing, is told once, and so is its end', async (_what, change, reason) => {
    await using world = await openWorld(TWO)
    const before = world.auth.current()
    await change(world.file)
    for (let round = 0; round < 3; round++) await world.auth.reload()
    expect(world.auth.current()).toBe(before)
    expect(world.told).toEqual([expect.stringContaining(reason)])
    expect(world.told[0]).toContain('the keys before it stay')

    await rm(world.file, { recursive: true, force: true })
    await writeFile(world.file, TWO)
    await world.auth.reload()
    expect(world.told.at(-1)).toBe('reloaded 2')
    expect(world.auth.current()).toBe(before)
  })

  it('is told again when it fails in another way', async () => {
    await using world = await openWorld(ONE)
    for (const content of ['x\n', 'y\n', `${ONE}x\n`, '']) {
      await writeFile(world.file, content)
      await world.auth.reload()
    }
    expect(world.told).toEqual([
      expect.stringContaining('line 1: '),
      expect.stringContaining('line 2: '),
      expect.stringContaining('it has no keys'),
    ])
    await writeFile(world.file, TWO)
    await world.auth.reload()
    expect(world.told.at(-1)).toBe('reloaded 2')
    expect(world.auth.current().generation).toBe(2)
  })

  it('after a start without keys still leaves nobody anything', async () => {
    await using world = await openWorld(undefined)
    await writeFile(world.file, 'x\n')
    await world.auth.reload()
    expect(world.auth.current()).toMatchObject({ hasReadKeys: true, keys: new Map() })
    await writeFile(world.file, ONE)
    await world.auth.reload()
    expect(holders(world.auth)).toEqual([ANNE.fingerprint])
  })

  it('since nobody may read it changes nothing', async () => {
    await using world = await openWorld(ONE)
    await chmod(world.file, 0o000)
    await asNobody(() => world.auth.reload())
    expect(holders(world.auth)).toEqual([ANNE.fingerprint])
    expect(world.told).toEqual([expect.stringContaining('it cannot be read: EACCES')])
  })
})

describe('following an auth file', () => {
  it('ends when it is disposed: no change counts and nothing is told afterwards', async () => {
    const world = await openWorld(ONE, { pollMs: 20 })
    await writeFile(world.file, TWO)
    const pending = world.auth.reload()
    await world.auth[Symbol.asyncDispose]()
    await pending
    const { generation } = world.auth.current()
    const told = [...world.told]
    await writeFile(world.file, `w ${CARO.text}\n`)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(world.auth.current().generation).toBe(generation)
    expect(world.told).toEqual(told)
    await world[Symbol.asyncDispose]()
  })

  it('does not keep the process alive', async () => {
    await using directory = await tempDir('auth')
    await writeFile(directory.join('auth'), ONE)
    const module = new URL('../../auth/watch-auth-file.ts', import.meta.url).href
    const source = { file: directory.join('auth'), ecosystems: ['npm'] }
    const script = `import { openAuthFile } from ${JSON.stringify(module)}
      const { current } = await openAuthFile({ ...${JSON.stringify(source)}, events: {}, warn: () => {} })
      console.log(current().keys.size)`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: DEADLINE_MS,
    })
    expect(stdout).toBe('1\n')
  })
})

/** The superuser may read what nobody may. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return work()
  process.seteuid?.(65_534)
  try {
    await work()
  } finally {
    process.seteuid?.(0)
  }
}

interface World extends AsyncDisposable {
  readonly auth: AuthFile
  readonly file: string
  readonly warnings: readonly string[]
  /** Events, as text. */
  readonly told: readonly string[]
}

interface WorldOptions {
  readonly pollMs?: number
  readonly mode?: number
}

async function openWorld(content: string | undefined, settings: WorldOptions = {}): Promise<World> {
  const directory = await tempDir('auth')
  try {
    const file = directory.join('auth')
    if (content !== undefined) await writeFile(file, content)
    if (content !== undefined) await chmod(file, settings.mode ?? 0o600)
    const world = await follow(file, { pollMs: settings.pollMs ?? NEVER_MS })
    return {
      ...world,
      async [Symbol.asyncDispose]() {
        await world[Symbol.asyncDispose]()
        await directory[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await directory[Symbol.asyncDispose]()
    throw error
  }
}

async function follow(file: string, { pollMs }: WorldOptions): Promise<World> {
  const { warnings, told, ...rest } = options(file)
  const auth = await openAuthFile({ ...rest, ...(pollMs === undefined ? {} : { pollMs }) })
  return { auth, file, warnings, told, [Symbol.asyncDispose]: () => auth[Symbol.asyncDispose]() }
}

function options(file: string): OpenAuthFileOptions & { warnings: string[]; told: string[] } {
  const warnings: string[] = []
  const told: string[] = []
  return {
    file,
    ecosystems: ['nix', 'npm', 'python'],
    events: {
      authReloaded: (keys) => void told.push(`reloaded ${keys}`),
      authReloadFailed: (reason) => void told.push(reason),
    },
    warn: (message) => void warnings.push(message),
    warnings,
    told,
  }
}

function holders(auth: AuthFile): string[] {
  return [...auth.current().keys.keys()]
}

/** Wait until exactly these keys count. */
async function seen(world: World, fingerprints: readonly string[]): Promise<void> {
  await vi.waitFor(() => expect(holders(world.auth)).toEqual(fingerprints), { timeout: DEADLINE_MS, interval: 20 })
}

async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content)
  await rename(`${file}.new`, file)
}

async function layOut(directory: string, name: string, content: string): Promise<void> {
  await mkdir(path.join(directory, name))
  await writeFile(path.join(directory, name, 'auth'), content)
}
