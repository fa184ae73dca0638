import { expect } from 'vitest'

import type { Commit } from '../../src/kv-store.ts'
import { A, auditEntry, B, blob, put, record, remove, type Contract } from './kv-samples.ts'

const edge = (key: string): Commit => ({ cache: 1, puts: [record('edge', key, '1')] })

/** What must be there, and what must not, when a change is made. */
export function conditionsContract(contract: Contract): void {
  contract(
    'makes a change that needs records only where all of them are there, and leaves them as they are',
    async (kv) => {
      await kv.commit(put('a', '1'))
      await kv.commit(put('b', '1'))
      const present = ['a', 'b', 'a'].map((key) => ({ kind: 'k', key }))
      await kv.commit({ ...edge('a/x'), present })
      expect(await kv.get(1, 'k', 'a')).toMatchObject({ value: '1', version: 1 })
      await kv.commit(remove('b'))
      const change = { ...edge('a/y'), present, audit: [auditEntry('a')] }
      await expect(kv.commit(change)).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
      await expect(kv.commit({ ...edge('a/y'), cache: 2, present: [{ kind: 'k', key: 'a' }] })).rejects.toThrow()
      expect(await kv.get(1, 'edge', 'a/y')).toBeUndefined()
      expect(await kv.audit(0, 10)).toEqual([])
    },
  )

  contract('makes a change after which something must be gone only where it is', async (kv) => {
    for (const key of ['a/x', 'b/x', 'a']) await kv.commit(edge(key))
    await kv.commit(put('a', '1'))
    const without = { ...remove('a'), absent: [{ kind: 'edge', prefix: 'a/' }] }
    await expect(kv.commit(without)).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    expect(await kv.get(1, 'k', 'a')).toMatchObject({ value: '1' })
    await kv.commit({ ...without, deletes: [...(without.deletes ?? []), { kind: 'edge', key: 'a/x' }] })
    expect(await kv.get(1, 'k', 'a')).toBeUndefined()
    expect(await kv.get(1, 'edge', 'b/x')).toMatchObject({ value: '1' })
    await expect(kv.commit({ ...edge('c/x'), absent: [{ kind: 'edge', prefix: 'c/' }] })).rejects.toMatchObject({
      code: 'WRITE_CONFLICT',
    })
  })

  contract(
    'never lets both of two happen: one deletes what nothing depends on, one comes to depend on it',
    async (kv, world) => {
      const other = await world.another()
      const seen = { kept: 0, deleted: 0 }
      // Were it always the same one, this would show nothing of the other order.
      for (let round = 0; round < 60 || seen.kept === 0 || seen.deleted === 0; round++) {
        const key = `r${round}`
        await kv.commit(put(key, '1'))
        const attempts = [
          () => kv.commit({ ...edge(`${key}/x`), present: [{ kind: 'k', key }] }),
          () => other.commit({ ...remove(key, 1), absent: [{ kind: 'edge', prefix: `${key}/` }] }),
        ]
        const results = await Promise.allSettled(
          (round % 2 === 0 ? attempts : attempts.reverse()).map((attempt) => attempt()),
        )
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        const kept = await kv.get(1, 'k', key)
        expect((await kv.get(1, 'edge', `${key}/x`)) === undefined).toBe(kept === undefined)
        seen[kept === undefined ? 'deleted' : 'kept']++
      }
    },
  )

  contract('tells who holds a blob, by kind and key, within the kinds and the cache that are asked', async (kv) => {
    const puts = [
      { ...record('nix-b', 'two', '1'), refs: [A, B] },
      { ...record('nix-a', 'one', '1'), refs: [A] },
      { ...record('npm-a', 'other', '1'), refs: [A] },
      { ...record('nix-a', 'none', '1'), refs: [B] },
    ]
    await kv.commit({ cache: 1, puts, blobs: [blob(A), blob(B)] })
    const one = { kind: 'nix-a', key: 'one' }
    const two = { kind: 'nix-b', key: 'two' }
    expect(await kv.holders(1, 'nix-', A, 10)).toEqual([one, two])
    expect(await kv.holders(1, 'nix-', A, 1)).toEqual([one])
    expect(await kv.holders(2, 'nix-', A, 10)).toEqual([])
    await kv.commit({ cache: 1, deletes: [one] })
    expect(await kv.holders(1, 'nix-', A, 10)).toEqual([two])
  })
}
