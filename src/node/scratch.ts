import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A new folder with some small files in it, which nobody but this user can read. Disposing removes it with all that is in it then. */
export async function scratchFolder(
  files: Readonly<Record<string, string>>,
): Promise<{ readonly path: string } & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'depot-'))
  await using made = new AsyncDisposableStack()
  made.defer(() => rm(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files))
    await writeFile(path.join(folder, name), content, { mode: 0o600, flag: 'wx' })
  const held = made.move()
  return { path: folder, [Symbol.asyncDispose]: () => held.disposeAsync() }
}
