import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import Database from 'better-sqlite3'

import { writeNar } from '../../protocols/nix/nar-writer.ts'
import { nix32OfHex } from '../../protocols/nix/nix32.ts'
import { collect } from './depot.ts'
import { treeOf } from './nar-tree.ts'
import { tempDir } from './temp-dir.ts'

/** A folder with the layout and the database of a Nix store, without a Nix. */
export interface TestStore extends AsyncDisposable {
  readonly root: string
  /** The database as Nix itself has it open. */
  readonly database: Database.Database
  /** Where the files of a path lie. */
  fileOf(baseName: string): string
  /** Make files and enter them as valid. */
  add(name: string, make: (file: string) => Promise<void>, row?: Partial<TestRow>): Promise<AddedPath>
  /** Write what the build of a derivation printed where Nix keeps it; with `.bz2` behind the name as Nix compresses it. */
  addLog(file: string, bytes: Uint8Array | string): Promise<void>
  /** Take a path out of the database, as garbage collection does before it removes the files. */
  invalidate(baseName: string): void
}

export interface TestRow {
  readonly hash: string
  readonly narSize: number | null
  readonly deriver: string | null
  readonly sigs: string | null
  readonly ca: string | null
  /** Base names; those that are not valid are left out. */
  readonly references: readonly string[]
}

export interface AddedPath {
  readonly baseName: string
  readonly storeHash: string
  readonly file: string
  readonly nar: Buffer
  readonly narHash: string
  /** Below `/nix`. */
  readonly narPath: string
  readonly narinfoPath: string
}

/** nix 2.8: libstore/schema.sql, without what depends on derivations. */
const SCHEMA = `
  create table ValidPaths (id integer primary key autoincrement not null, path text unique not null, hash text not null,
    registrationTime integer not null, deriver text, narSize integer, ultimate integer, sigs text, ca text);
  create table Refs (referrer integer not null, reference integer not null, primary key (referrer, reference),
    foreign key (referrer) references ValidPaths(id) on delete cascade,
    foreign key (reference) references ValidPaths(id) on delete restrict);
  create index IndexReferrer on Refs(referrer);
  create index IndexReference on Refs(reference);`

/** nix 2.8: libstore/ca-specific-schema.sql, which a store gets when content-addressed derivations are first used. */
export const REALISATIONS_SCHEMA = `
  create table Realisations (id integer primary key autoincrement not null, drvPath text not null, outputName text not null,
    outputPath integer not null, signatures text, foreign key (outputPath) references ValidPaths(id) on delete cascade);
  create index IndexRealisations on Realisations(drvPath, outputName);
  create table RealisationsRefs (referrer integer not null, realisationReference integer,
    foreign key (referrer) references Realisations(id) on delete cascade,
    foreign key (realisationReference) references Realisations(id) on delete restrict);`

/** The same since Nix 2.35. */
export const BUILD_TRACE_SCHEMA = `
  create table BuildTraceV3 (id integer primary key autoincrement not null, drvPath text not null, outputName text not null,
    outputPath text not null, signatures text);`

export async function testStore(): Promise<TestStore> {
  const dir = await tempDir('local-store')
  await mkdir(dir.join('nix/store'), { recursive: true })
  await mkdir(dir.join('nix/var/nix/db'), { recursive: true })
  const database = new Database(dir.join('nix/var/nix/db/db.sqlite'))
  database.pragma('journal_mode = wal')
  database.exec(SCHEMA)
  const fileOf = (baseName: string): string => dir.join('nix/store', baseName)
  return {
    root: dir.path,
    database,
    fileOf,
    async add(name, make, row = {}) {
      const storeHash = nix32OfHex(createHash('sha256').update(name).digest('hex')).slice(0, 32)
      const baseName = `${storeHash}-${name}`
      await make(fileOf(baseName))
      const nar = await collect(writeNar(await treeOf(Buffer.from(fileOf(baseName)))))
      const hex = createHash('sha256').update(nar).digest('hex')
      enter(database, baseName, { hash: `sha256:${hex}`, narSize: nar.byteLength, ...NOTHING, ...row })
      const narHash = nix32OfHex(hex)
      return {
        baseName,
        storeHash,
        file: fileOf(baseName),
        nar,
        narHash,
        narPath: `/nix/nar/${storeHash}-${narHash}.nar`,
        narinfoPath: `/nix/${storeHash}.narinfo`,
      }
    },
    async addLog(name, bytes) {
      const folder = dir.join('nix/var/log/nix/drvs', name.slice(0, 2))
      await mkdir(folder, { recursive: true })
      await writeFile(path.join(folder, name.slice(2)), bytes)
    },
    invalidate: (baseName) =>
      void database.prepare('delete from ValidPaths where path = ?').run(`/nix/store/${baseName}`),
    async [Symbol.asyncDispose]() {
      database.close()
      await dir[Symbol.asyncDispose]()
    },
  }
}

const NOTHING = { deriver: null, sigs: null, ca: null, references: [] }

function enter(database: Database.Database, baseName: string, row: TestRow): void {
  const { hash, narSize, deriver, sigs, ca, references } = row
  database
    .prepare(
      'insert into ValidPaths (path, hash, registrationTime, deriver, narSize, sigs, ca) values (?, ?, 0, ?, ?, ?, ?)',
    )
    .run(`/nix/store/${baseName}`, hash, deriver, narSize, sigs, ca)
  const refer = database.prepare(
    'insert into Refs select own.id, other.id from ValidPaths as own, ValidPaths as other where own.path = ? and other.path = ?',
  )
  for (const reference of references) refer.run(`/nix/store/${baseName}`, `/nix/store/${reference}`)
}
