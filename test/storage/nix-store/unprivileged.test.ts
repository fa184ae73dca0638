import { execFile } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

import { NOBODY } from '../../helpers/detect.ts'
import { describeWith } from '../../helpers/have.ts'
import { testStore, type TestStore } from '../../helpers/local-store.ts'

const MODULE = path.join(import.meta.dirname, '../../../storage/nix-store/open.ts')
const DATABASE = 'nix/var/nix/db/db.sqlite'

/** What a process that may not write there is told of these hash parts. */
async function asNobody(root: string, ...storeHashes: readonly string[]): Promise<readonly unknown[]> {
  const code = `
    const { openNixStore } = await import(${JSON.stringify(MODULE)})
    const store = openNixStore(${JSON.stringify(root)})
    console.log(JSON.stringify(${JSON.stringify(storeHashes)}.map((hash) => store.find(hash) !== undefined)))`
  const args = ['--input-type=module', '-e', code]
  const { stdout } = await promisify(execFile)(process.execPath, args, { uid: NOBODY, gid: NOBODY })
  return JSON.parse(stdout) as unknown[]
}

/** Nobody has it open: what is left is the file, marked as one with a log. */
async function closed(store: TestStore): Promise<void> {
  store.database.close()
  await chmod(store.root, 0o755)
}

describeWith('nobody', 'a process that may not write in the folder of the database', () => {
  it('reads it while nobody has it open', async () => {
    await using store = await testStore()
    const added = await store.add('plain', (file) => writeFile(file, 'x'))
    await closed(store)
    expect(await asNobody(store.root, added.storeHash, '0'.repeat(32))).toEqual([true, false])
  })

  it('reads it while somebody has it open, the log included', async () => {
    await using store = await testStore()
    await chmod(store.root, 0o755)
    const added = await store.add('logged', (file) => writeFile(file, 'x'))
    expect(await asNobody(store.root, added.storeHash)).toEqual([true])
  })

  it('is told when it may not read it at all', async () => {
    await using store = await testStore()
    await closed(store)
    await chmod(path.join(store.root, DATABASE), 0o600)
    await expect(asNobody(store.root, '')).rejects.toThrow('STORAGE_DOWN')
  })
})
