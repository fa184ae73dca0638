import { mkdir, symlink, writeFile } from 'node:fs/promises'

import { expect, it } from 'vitest'

import { storedPackages } from '../../../cmd/npm/import-storage.ts'
import { folderEntries } from '../../../cmd/python/import-folder.ts'
import { UsageError } from '../../../cmd/cli.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

it('a database of Verdaccio that is a link is told of, not followed and no bug', async () => {
  await using storage = await tempDir('storage')
  await mkdir(storage.join('some'))
  await writeFile(storage.join('some', 'package.json'), '{}')
  await symlink('/etc/passwd', storage.join('.verdaccio-db.json'))
  const reading = Array.fromAsync(storedPackages(storage.path))
  await expect(reading).rejects.toThrow('.verdaccio-db.json cannot be read: it is a symbolic link')
  await expect(reading).rejects.toBeInstanceOf(UsageError)
})

it.each(['null', '7', '[]', '{"list":7}'])('a database of Verdaccio that says %s lists nothing', async (text) => {
  await using storage = await tempDir('storage')
  await mkdir(storage.join('some'))
  await writeFile(storage.join('some', 'package.json'), '{}')
  await writeFile(storage.join('.verdaccio-db.json'), text)
  expect(await Array.fromAsync(storedPackages(storage.path))).toEqual([{ name: 'some', folder: storage.join('some') }])
})

it.each(['', 'root/prod'])(
  "devpi's list that is a link is told of, or all dates would be lost unseen (%j)",
  async (below) => {
    await using folder = await tempDir('export')
    await mkdir(folder.join(below), { recursive: true })
    await symlink('/etc/passwd', folder.join('dataindex.json'))
    const reading = Array.fromAsync(folderEntries(folder.join(below)))
    await expect(reading).rejects.toThrow('dataindex.json cannot be used: it is a symbolic link')
    await expect(reading).rejects.toBeInstanceOf(UsageError)
  },
)
