import { expect } from 'vitest'

import { auditHash, verifyChain } from '../../src/audit-chain.ts'
import { LIMITS } from '../../src/limits.ts'
import { A, auditEntry, auditLog, put, record, type Contract } from './kv-samples.ts'

/** Who did what: lines that are written with their change, or not at all. */
export function auditContract(contract: Contract): void {
  contract('writes the lines of a commit in order, each whole', async (kv) => {
    const before = Date.now()
    const odd = auditEntry('naïve \u{1f980}\n"\'\\', { principal: '', digest: '', address: '', credential: '' })
    const entries = [auditEntry('one'), auditEntry('two', { result: 'denied' }), odd]
    await kv.commit({ cache: 1, audit: entries.slice(0, 2) })
    await kv.commit({ cache: 0, audit: entries.slice(2) })
    const log = await kv.audit(0, 10)
    expect(log).toMatchObject(entries.map((entry, index) => ({ ...entry, seq: index + 1, cache: index < 2 ? 1 : 0 })))
    for (const { at, hash } of log) {
      expect(Number.isInteger(at) && at >= before - 60_000 && at <= Date.now() + 60_000).toBe(true)
      expect(hash).toMatch(/^[0-9a-f]{64}$/)
    }
  })

  contract('lists what lies behind a line, oldest first, as much as is asked for', async (kv) => {
    await kv.commit({ cache: 1, audit: ['a', 'b', 'c', 'd'].map((name) => auditEntry(name)) })
    expect((await kv.audit(1, 2)).map(({ seq, resource }) => `${seq}${resource}`)).toEqual(['2b', '3c'])
    expect(await kv.audit(4, 2)).toEqual([])
    await expect(async () => kv.audit(0, 0)).rejects.toThrow('a page of 0')
  })

  contract('tells the number of the last line, and of the lines behind one', async (kv) => {
    expect(await kv.auditHead()).toBe(0)
    await kv.commit({ cache: 1, audit: [auditEntry('a'), auditEntry('b')] })
    const head = await kv.auditHead()
    expect([head, await kv.audit(head, 1)]).toEqual([2, []])
    await kv.commit({ cache: 1, audit: [auditEntry('c')] })
    expect([(await kv.audit(head, 10)).map(({ resource }) => resource), await kv.auditHead()]).toEqual([['c'], 3])
  })

  contract('refuses a line that could not be told from another, or is too long', async (kv) => {
    const long = 'x'.repeat(LIMITS.auditFieldBytesMax)
    for (const resource of ['a\0b', 'half \ud800 a character', `${long}x`]) {
      const commit = kv.commit({ ...put('a', '1'), audit: [auditEntry(resource)] })
      await expect(commit).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    }
    expect(await kv.get(1, 'k', 'a')).toBeUndefined()
    await kv.commit({ cache: 1, audit: [auditEntry(long)] })
  })

  contract('does not make a change whose line cannot be written', async (kv, world) => {
    await kv.commit({ ...put('a', '1'), audit: [auditEntry('taken')] })
    await world.execute('CREATE UNIQUE INDEX audit_refuses ON audit (resource)')
    try {
      const commits = ['taken', 'free', 'taken', 'also free'].map((resource, index) =>
        kv.commit({ ...put(`${index}`, '1'), audit: [auditEntry(`${index}`), auditEntry(resource)] }),
      )
      const results = await Promise.allSettled(commits)
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
      for (const key of ['0', '2']) expect(await kv.get(1, 'k', key)).toBeUndefined()
    } finally {
      await world.execute('DROP INDEX audit_refuses')
    }
    const log = await auditLog(kv)
    expect(log.map(({ resource }) => resource).toSorted()).toEqual(['1', '3', 'also free', 'free', 'taken'])
    expect(await verifyChain(log)).toMatchObject({ verified: 5, head: { seq: 5 } })
  })

  contract('lets nobody change or remove a line through SQL', async (kv, world) => {
    await kv.commit({ cache: 1, audit: [auditEntry('a'), auditEntry('b')] })
    const log = await auditLog(kv)
    await expect(world.execute("UPDATE audit SET principal = 'nobody'")).rejects.toThrow('append-only')
    await expect(world.execute('DELETE FROM audit WHERE seq = 2')).rejects.toThrow('append-only')
    expect(await auditLog(kv)).toEqual(log)
  })
}

/** The chain over the lines: nothing can be changed behind the depot's back without showing. */
export function chainContract(contract: Contract): void {
  contract('ties every line to the one before it', async (kv) => {
    await kv.commit({ cache: 1, audit: [auditEntry('one'), auditEntry('zwei ü')] })
    await kv.commit({ cache: 1, audit: [auditEntry('three')] })
    const log = await auditLog(kv)
    let previous = ''
    for (const row of log) {
      expect(row.hash).toBe(auditHash(previous, row))
      previous = row.hash
    }
    expect(await verifyChain(log)).toEqual({ verified: 3, before: 0, head: { seq: 3, hash: previous } })
  })

  contract('holds under many callers, through two stores, some of whom fail', async (kv, world) => {
    const other = await world.another()
    await kv.commit(put('taken', '1'))
    const commits = Array.from({ length: 300 }, (_, index) => {
      const audit = Array.from({ length: 1 + (index % 3) }, (_entry, part) => auditEntry(`${index}.${part}`))
      const puts = [{ ...record('k', index % 5 === 4 ? 'taken' : `n-${index}`, '1'), expected: 0 }]
      return (index % 2 === 0 ? kv : other).commit({ cache: 1, puts, audit })
    })
    const results = await Promise.allSettled(commits)
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(60)
    const log = await auditLog(kv)
    expect(await verifyChain(log)).toMatchObject({ verified: log.length, head: { seq: log.length } })
    const written = results.flatMap(({ status }, index) =>
      status === 'fulfilled' ? Array.from({ length: 1 + (index % 3) }, (_, part) => `${index}.${part}`) : [],
    )
    expect(log.map(({ resource }) => resource).toSorted()).toEqual(written.toSorted())
    for (const [index, { resource }] of log.entries()) {
      const [commit, part] = resource.split('.')
      if (part !== '0') expect(log[index - 1]?.resource).toBe(`${commit}.${Number(part) - 1}`)
    }
  })

  contract('leaves no gap where a commit failed', async (kv) => {
    await kv.commit({ ...put('taken', '1'), audit: [auditEntry('first')] })
    const failing = { ...put('taken', '2', 0), audit: [auditEntry('lost'), auditEntry('lost too')] }
    await expect(kv.commit(failing)).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    await kv.commit({ cache: 1, audit: [auditEntry('second')] })
    expect((await auditLog(kv)).map(({ seq, resource }) => `${seq} ${resource}`)).toEqual(['1 first', '2 second'])
    expect(await verifyChain(await auditLog(kv))).toMatchObject({ verified: 2 })
  })

  contract('goes on when the store is opened again', async (kv, world) => {
    await kv.commit({ cache: 1, audit: [auditEntry('before')] })
    const again = await world.reopen()
    await again.commit({ cache: 1, audit: [auditEntry('after')] })
    expect(await verifyChain(await auditLog(again))).toMatchObject({ verified: 2 })
  })

  contract('names the line that was changed or removed behind its back', async (kv, world) => {
    await kv.commit({ cache: 1, audit: ['a', 'b', 'c', 'd', 'e'].map((name) => auditEntry(name)) })
    const head = (await verifyChain(await auditLog(kv))).head
    await world.tamper("UPDATE audit SET principal = 'nobody' WHERE seq = 3")
    expect(await verifyChain(await auditLog(kv))).toMatchObject({ verified: 2, broken: { seq: 3 } })
    await world.tamper(`UPDATE audit SET principal = 'token:t1', digest = '${A}' WHERE seq = 3`)
    expect(await verifyChain(await auditLog(kv), head)).toMatchObject({ verified: 5, head })
    await world.tamper('DELETE FROM audit WHERE seq = 2')
    expect(await verifyChain(await auditLog(kv))).toMatchObject({ verified: 1, broken: { seq: 2 } })
    await world.tamper('DELETE FROM audit WHERE seq > 1')
    expect(await verifyChain(await auditLog(kv))).toMatchObject({ verified: 1 })
    expect(await verifyChain(await auditLog(kv), head)).toMatchObject({ verified: 1, broken: { seq: 5 } })
  })
}
