import { expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { parseTrace, traced, type Syscall } from './syscalls.ts'

const SYNC = ['fsync', 'fdatasync']
const MOVE = ['rename', 'renameat', 'renameat2', 'link', 'linkat']
const SEND = ['write', 'writev', 'sendto', 'sendmsg']

describeWith('strace', 'faults/write-order', () => {
  it('syncs the file, moves it, syncs its directory, syncs the database, and only then answers', async () => {
    await using server = await startServerProcess({ env: { UV_USE_IO_URING: '0' } })
    const file = buildWheel({
      name: 'ordered',
      version: '1.0',
      extra: [{ name: 'data', content: 'x'.repeat(100_000) }],
    })
    const calls = await traced(
      { strace: have.paths.strace, pid: server.pid, calls: [...SYNC, ...MOVE, ...SEND] },
      async () => {
        expect((await postForm(server.url, uploadForm(file))).status).toBeLessThan(300)
        // The thread that answers goes on when it has been seen to have answered.
        await fetch(`${server.url}/healthz`)
      },
    )

    const moved = only(calls.filter((call) => MOVE.includes(call.name) && call.text.includes(file.sha256)))
    const staged = /"(?<path>[^"]+)"/.exec(moved.text)?.groups?.['path'] ?? 'no path'
    const folder = new RegExp(`<[^>]*/${file.sha256.slice(0, 2)}/${file.sha256.slice(2, 4)}>`)
    const fileSynced = calls.find((call) => SYNC.includes(call.name) && call.text.includes(`<${staged}>`))
    const folderSynced = calls.findLast(
      (call) => call.name === 'fsync' && folder.test(call.text) && call.entered > moved.left,
    )
    const commitSynced = calls.find(
      (call) => SYNC.includes(call.name) && /depot\.db(?:-wal)?>/.test(call.text) && call.entered > moved.left,
    )
    const answered = calls.find((call) => SEND.includes(call.name) && /"HTTP\/1\.1 2\d\d/.test(call.text))
    expectOrder({ fileSynced, moved, folderSynced, commitSynced, answered })
  })

  it('would see a call that another thread cuts in two', () => {
    const trace = [
      '7 fsync(3</a>) = 0',
      '8 fsync(4</b> <unfinished ...>',
      '7 rename("/a", "/c") = 0',
      '8 <... fsync resumed>) = 0',
      '',
    ]
    expect(parseTrace(trace.join('\n'))).toEqual([
      { name: 'fsync', text: 'fsync(3</a>) = 0', entered: 0, left: 0 },
      { name: 'rename', text: 'rename("/a", "/c") = 0', entered: 2, left: 2 },
      { name: 'fsync', text: 'fsync(4</b>) = 0', entered: 1, left: 3 },
    ])
  })
})

/** Each call is there, succeeded, and was over before the next began. */
function expectOrder(steps: Readonly<Record<string, Syscall | undefined>>): void {
  const entries = Object.entries(steps)
  expect(entries.filter(([, call]) => call === undefined).map(([name]) => name)).toEqual([])
  expect(entries.filter(([, call]) => !/= \d+$/.test(call?.text ?? '')).map(([, call]) => call?.text)).toEqual([])
  const moments = entries.flatMap(([, call]) => [call?.entered ?? -1, call?.left ?? -1])
  expect(moments).toEqual(moments.toSorted((one, other) => one - other))
}

function only(calls: readonly Syscall[]): Syscall {
  const [call, ...more] = calls
  if (call === undefined || more.length > 0) throw new Error(`expected one move of the blob, saw ${calls.length}`)
  return call
}
