import { expect } from 'vitest'

import type { Commit } from '../../src/kv-store.ts'
import { A, auditEntry, record, put, blob, document, type Contract } from './kv-samples.ts'

/** All of a change or nothing. */
export function commitContract(contract: Contract): void {
  contract('does nothing of a change of which one part conflicts', async (kv) => {
    await kv.commit(put('taken', '1'))
    const change: Commit = {
      cache: 1,
      blobs: [blob(A)],
      puts: [
        { ...record('k', 'a', '1'), refs: [A] },
        { ...record('k', 'taken', '2'), expected: 0 },
      ],
      documents: [document({})],
      audit: [auditEntry('a')],
    }
    await expect(kv.commit(change)).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    expect(await kv.get(1, 'k', 'a')).toBeUndefined()
    expect(await kv.get(1, 'k', 'taken')).toMatchObject({ value: '1', version: 1 })
    expect(await kv.blob('main', A)).toBeUndefined()
    expect(await kv.document(document({}))).toBeUndefined()
    expect(await kv.audit(0, 10)).toEqual([])
  })

  contract('refuses a change that names a record twice', async (kv) => {
    const puts = [record('k', 'a', '1'), record('k', 'a', '2')]
    await expect(kv.commit({ cache: 1, puts })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    const both = { cache: 1, puts: [record('k', 'a', '1')], deletes: [{ kind: 'k', key: 'a' }] }
    await expect(kv.commit(both)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })

  contract('takes an empty change', async (kv) => {
    await kv.commit({ cache: 1 })
  })

  contract('is over only when everything that was begun is done', async (kv, world) => {
    const begun = Array.from({ length: 50 }, (_, index) => kv.commit(put(`${index}`, '1')))
    const again = await world.reopen()
    await Promise.all(begun)
    expect(await again.list(1, 'k', { from: '', limit: 100 })).toHaveLength(50)
  })
}

/** Many changes at once, in this process. */
export function concurrencyContract(contract: Contract): void {
  contract('lets exactly one of many create a record', async (kv) => {
    const tries = Array.from({ length: 40 }, (_, index) => kv.commit(put('a', `${index}`, 0)))
    const results = await Promise.allSettled(tries)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'WRITE_CONFLICT' })
    }
    const winner = results.findIndex(({ status }) => status === 'fulfilled')
    expect(await kv.get(1, 'k', 'a')).toMatchObject({ value: `${winner}`, version: 1 })
  })

  contract('loses no change of many who read, change and expect', async (kv) => {
    await kv.commit(put('counter', '0'))
    const increment = async (): Promise<void> => {
      for (;;) {
        const { value = '', version = 0 } = (await kv.get(1, 'k', 'counter')) ?? {}
        const done = await kv.commit(put('counter', `${Number(value) + 1}`, version)).then(
          () => true,
          (error: { code?: string }) => (error.code === 'WRITE_CONFLICT' ? false : Promise.reject(error)),
        )
        if (done) return
      }
    }
    await Promise.all(Array.from({ length: 20 }, increment))
    expect(await kv.get(1, 'k', 'counter')).toEqual({ key: 'counter', value: '20', version: 21 })
  })

  contract('does not let a conflict touch its neighbours', async (kv) => {
    await kv.commit(put('taken', '1'))
    const commits = Array.from({ length: 400 }, (_, index) =>
      index % 4 === 3
        ? kv.commit({
            cache: 1,
            puts: [record('k', `lost-${index}`, '1'), { ...record('k', 'taken', '2'), expected: 0 }],
          })
        : kv.commit(put(`n-${index}`, '1', 0)),
    )
    const results = await Promise.allSettled(commits)
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(100)
    expect(await kv.list(1, 'k', { from: 'n-', to: 'n.', limit: 1000 })).toHaveLength(300)
    expect(await kv.list(1, 'k', { from: 'lost-', to: 'lost.', limit: 1000 })).toEqual([])
  })

  contract('ends no circle of waiting in a failure: the same names in every order', async (kv) => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const digests = names.map((name) => name.repeat(64))
    await kv.commit({ cache: 1, blobs: digests.map((digest) => blob(digest)) })
    const commits = Array.from({ length: 60 }, (_, round) => {
      const turned = names.map((_name, index) => (index * (1 + (round % 4)) + round) % names.length)
      const puts = turned.map((at) => ({
        ...record('k', names[at] ?? '', `${round}`),
        refs: [digests[(at + round) % 5] ?? ''],
      }))
      const blobs = round % 3 === 0 ? [blob(digests[round % 5] ?? ''), blob(digests[(round + 2) % 5] ?? '')] : []
      return kv.commit({ cache: 1, puts, blobs })
    })
    await Promise.all(commits)
    for (const name of names) expect(await kv.get(1, 'k', name)).toMatchObject({ version: 60 })
  })

  contract('never leaves a document behind that is older than its record', async (kv) => {
    await kv.commit(put('a', '0'))
    for (let version = 1; version <= 40; version++) {
      const stale = document({ sourceVersion: version, body: `rendered from ${version}` })
      const change = [() => kv.commit({ cache: 1, documents: [stale] }), () => kv.commit(put('a', `${version}`))]
      await Promise.all((version % 2 === 0 ? change : change.toReversed()).map((begin) => begin()))
      expect(await kv.document(stale)).toBeUndefined()
    }
  })

  contract('shows a commit to every read that starts after it', async (kv) => {
    const worker = async (name: string): Promise<void> => {
      for (let version = 1; version <= 15; version++) {
        await kv.commit(put(name, `${version}`))
        expect(await kv.get(1, 'k', name)).toMatchObject({ version })
      }
    }
    await Promise.all(Array.from({ length: 12 }, (_, index) => worker(`w${index}`)))
  })
}
