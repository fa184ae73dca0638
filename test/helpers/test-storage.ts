import type { StorageOptions } from '../../storage/open.ts'
import type { TempDir } from './temp-dir.ts'

/** Empty storage of one depot, gone when disposed. */
export interface TestStorage extends AsyncDisposable {
  readonly options: Pick<StorageOptions, 'databaseUrl' | 'storageType' | 's3'>
  /** The same as settings of `depot serve`. */
  readonly settings: Readonly<Record<string, string>>
}

type Open = (dir: TempDir) => Promise<TestStorage>

let open: Open = async (dir) => {
  const databaseUrl = `sqlite://${dir.join('depot.db')}`
  return {
    options: { databaseUrl, storageType: 'fs', s3: undefined },
    settings: { 'database-url': databaseUrl, 'storage-type': 'fs' },
    [Symbol.asyncDispose]: async () => {},
  }
}

/** Storage for a depot whose folder is `dir`: SQLite and files there, but for suites that `describeOn` puts elsewhere. */
export function openTestStorage(dir: TempDir): Promise<TestStorage> {
  return open(dir)
}

/** From here on storage of this test file is opened in another way. Nothing of vitest is asked for here: benches open depots, too. */
export function openStorageBy(other: Open): void {
  open = other
}
