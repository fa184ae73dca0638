import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { lstat, rm, stat, writeFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import process from 'node:process'
import { text } from 'node:stream/consumers'

import { describe, expect, it } from 'vitest'

import { startForwardProxy, type ForwardProxy } from '../../../src/node/forward-proxy.ts'
import { ok, SHOWN } from '../../helpers/proxy.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { startUpstream } from '../../helpers/upstream.ts'

describe('on a unix socket', () => {
  const onSocket = async (path: string, headers: Record<string, string> = {}): Promise<string> => {
    const outgoing = request({ socketPath: path, path: '/x', headers, agent: false }).end()
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    return text(answer)
  }
  const start = (target: string, path: string): Promise<ForwardProxy> =>
    startForwardProxy({ target: new URL(target), listen: { path }, credentials: { authorization: () => SHOWN } })

  it('only its owner may come in, under any Host', async () => {
    await using dir = await tempDir('proxy')
    await using upstream = await startUpstream(ok)
    {
      await using proxy = await start(upstream.url, dir.join('depot.sock'))
      expect(proxy.url).toBe(`unix:${dir.join('depot.sock')}`)
      expect((await stat(dir.join('depot.sock'))).mode & 0o777).toBe(0o600)
      expect(await onSocket(dir.join('depot.sock'), { Host: 'depot' })).toBe('ok')
      expect(await onSocket(dir.join('depot.sock'), { Origin: 'https://evil.example' })).toMatch(/web pages/)
      expect(upstream.requests[0]?.headers.authorization).toBe(SHOWN)
    }
    await expect(lstat(dir.join('depot.sock'))).rejects.toThrow(/ENOENT/)
  })

  it('takes the place of a dead proxy, and of nothing else', async () => {
    await using dir = await tempDir('proxy')
    await using upstream = await startUpstream(ok)
    const place = dir.join('depot.sock')
    {
      await using _first = await start(upstream.url, place)
      await expect(start(upstream.url, place)).rejects.toThrow(/somebody listens/)
      expect(await onSocket(place)).toBe('ok')
      await rm(place)
      await using _second = await start(upstream.url, place)
    }
    await writeFile(place, 'a file')
    await expect(start(upstream.url, place)).rejects.toThrow(/no socket/)
    await rm(place)
    await deadSocket(place)
    await using _proxy = await start(upstream.url, place)
    expect(await onSocket(place)).toBe('ok')
  })

  async function deadSocket(path: string): Promise<void> {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script])
    expect((await lstat(path)).isSocket()).toBe(true)
  }
})
