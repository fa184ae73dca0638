import { chmod, mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { header, writeArchive, writeLayer } from '../../.ci/tar-files.ts'
import { sha256 } from '../helpers/oci-image.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

/** The same files, made in another order, at another hour and under another umask. */
async function fill(dir: TempDir, names: readonly string[], mode: number, hour: Date): Promise<string> {
  await mkdir(dir.join('files', 'folder'), { recursive: true })
  for (const name of names) {
    await writeFile(dir.join('files', name), `bytes of ${name}`)
    await chmod(dir.join('files', name), name === 'program' ? 0o755 : mode)
    await utimes(dir.join('files', name), hour, hour)
  }
  await symlink('folder/b', dir.join('files', 'link'))
  await mkdir(dir.join('blobs', 'sha256'), { recursive: true })
  return dir.join('files')
}

describe('layers of the image', () => {
  it('are the same bytes whenever, in whatever order and by whomever the files were made', async () => {
    await using one = await tempDir('layer')
    await using two = await tempDir('layer')
    const names = ['a', 'folder/b', 'program']
    const first = await writeLayer(await fill(one, names, 0o600, new Date(0)), one.path, 'files')
    const second = await writeLayer(await fill(two, names.toReversed(), 0o666, new Date(1e12)), two.path, 'files')
    expect(second).toEqual(first)
    await writeArchive(one.join('blobs'), one.join('archive.tar'))
    await writeArchive(two.join('blobs'), two.join('archive.tar'))
    expect(await readFile(two.join('archive.tar'))).toEqual(await readFile(one.join('archive.tar')))
  })

  it('are named by the digest of the compressed bytes, and tell that of the archive', async () => {
    await using dir = await tempDir('layer')
    const layer = await writeLayer(await fill(dir, ['a', 'folder/b'], 0o644, new Date(0)), dir.path, 'files')
    const bytes = await readFile(dir.join('blobs', layer.digest.replace(':', '/')))
    expect(layer).toEqual({
      digest: sha256(bytes),
      sizeBytes: bytes.length,
      diffId: sha256(gunzipSync(bytes)),
      title: 'files',
    })
  })

  it('belong to root and let everyone read, but for what is excepted', () => {
    const file = { type: 'file', sizeBytes: 3, executable: false } as const
    expect(header('a', file, {})).toMatchObject({ name: 'a', mode: 0o644, uid: 0, gid: 0, size: 3 })
    expect(header('a', { ...file, executable: true }, {})).toMatchObject({ mode: 0o755 })
    expect(header('data', { type: 'directory' }, { data: { mode: 0o700, owner: 7 } })).toMatchObject({
      name: 'data/',
      mode: 0o700,
      uid: 7,
      gid: 7,
      size: 0,
    })
    expect(header('l', { type: 'symlink', target: 'x' }, {})).toMatchObject({ type: 'symlink', linkname: 'x', size: 0 })
  })
})
