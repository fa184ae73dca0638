-- Text is compared by bytes (BINARY). Times are milliseconds since 1970, by this database's clock.

CREATE TABLE cache (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  domain TEXT NOT NULL
) STRICT;

INSERT INTO cache (id, name, domain) VALUES (1, 'main', 'main');

CREATE TABLE record (
  cache INTEGER NOT NULL REFERENCES cache (id),
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
  updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
  PRIMARY KEY (cache, kind, key)
) STRICT;

CREATE TABLE blob (
  domain TEXT NOT NULL,
  digest TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  encoding TEXT NOT NULL,
  stored_bytes INTEGER NOT NULL,
  stored_sha256 TEXT NOT NULL,
  layout TEXT NOT NULL,
  frames BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('live', 'deleting', 'quarantined')),
  -- When somebody last sent it: a collector leaves alone what was claimed a short while ago.
  claimed_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
  PRIMARY KEY (domain, digest)
) STRICT;

CREATE TABLE reference (
  cache INTEGER NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  domain TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (cache, kind, key, domain, digest),
  FOREIGN KEY (cache, kind, key) REFERENCES record (cache, kind, key) ON DELETE CASCADE,
  FOREIGN KEY (domain, digest) REFERENCES blob (domain, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX reference_by_digest ON reference (cache, digest, kind);
-- The foreign key to blob needs it when a blob row goes.
CREATE INDEX reference_by_blob ON reference (domain, digest);

-- Not STRICT and no type for body: text stays TEXT, which is read a quarter faster than BLOB, and bytes stay BLOB.
-- With a rowid: bodies beyond a kilobyte would otherwise spill out of the index pages.
CREATE TABLE document (
  cache INTEGER NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  variant TEXT NOT NULL,
  origin TEXT NOT NULL,
  body NOT NULL,
  etag TEXT NOT NULL,
  encoding TEXT NOT NULL,
  PRIMARY KEY (cache, kind, key, variant, origin)
);

-- A document may show how a blob is stored, and that it is there at all.
CREATE TRIGGER document_of_changed_blob AFTER UPDATE ON blob
WHEN new.state <> old.state OR new.stored_sha256 <> old.stored_sha256
BEGIN
  DELETE FROM document WHERE (cache, kind, key) IN (
    SELECT cache, kind, key FROM reference WHERE domain = new.domain AND digest = new.digest
  );
END;

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
  cache INTEGER NOT NULL,
  principal TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,
  digest TEXT NOT NULL,
  address TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;
