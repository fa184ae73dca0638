import { describe, it } from 'vitest'

import { auditContract, chainContract } from './kv-audit.ts'
import { blobContract } from './kv-blobs.ts'
import { documentContract } from './kv-documents.ts'
import { commitContract, concurrencyContract } from './kv-commits.ts'
import { conditionsContract } from './kv-conditions.ts'
import { holdContract } from './kv-hold.ts'
import { keyContract, listContract, recordContract } from './kv-records.ts'
import type { Contract, KvStoreWorld } from './kv-samples.ts'

/** The contract every driver keeps. A driver's own test file calls this first. */
export function describeKvStore(driver: string, open: () => Promise<KvStoreWorld>): void {
  const contract: Contract = (name, body) =>
    it(name, async () => {
      await using world = await open()
      await body(world.kv, world)
    })

  describe(`${driver} kv store`, () => {
    describe('records', () => {
      recordContract(contract)
    })
    describe('keys', () => {
      keyContract(contract)
    })
    describe('lists', () => {
      listContract(contract)
    })
    describe('blobs and references', () => {
      blobContract(contract)
    })
    describe('documents', () => {
      documentContract(contract)
    })
    describe('commits', () => {
      commitContract(contract)
    })
    describe('conditions', () => {
      conditionsContract(contract)
    })
    describe('many at once', () => {
      concurrencyContract(contract)
    })
    describe('work for one', () => {
      holdContract(contract)
    })
    describe('the audit log', () => {
      auditContract(contract)
      chainContract(contract)
    })
  })
}
