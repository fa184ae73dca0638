-- Text that is compared is compared by bytes (COLLATE "C"), whatever the locale of the database.

CREATE TABLE cache (
  id integer PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  domain text COLLATE "C" NOT NULL
);

INSERT INTO cache (id, name, domain) VALUES (1, 'main', 'main');

CREATE TABLE record (
  cache integer NOT NULL REFERENCES cache (id),
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  value text NOT NULL,
  version integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (cache, kind, key)
);

CREATE TABLE blob (
  domain text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  size_bytes bigint NOT NULL,
  encoding text NOT NULL,
  stored_bytes bigint NOT NULL,
  stored_sha256 text NOT NULL,
  layout text NOT NULL,
  frames bytea NOT NULL,
  state text NOT NULL CHECK (state IN ('live', 'deleting', 'quarantined')),
  -- When somebody last sent it: a collector leaves alone what was claimed a short while ago.
  claimed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (domain, digest)
);

CREATE TABLE reference (
  cache integer NOT NULL,
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  domain text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  PRIMARY KEY (cache, kind, key, domain, digest),
  FOREIGN KEY (cache, kind, key) REFERENCES record (cache, kind, key) ON DELETE CASCADE,
  FOREIGN KEY (domain, digest) REFERENCES blob (domain, digest)
);

CREATE INDEX reference_by_digest ON reference (cache, digest, kind);
-- The foreign key to blob needs it when a blob row goes.
CREATE INDEX reference_by_blob ON reference (domain, digest);

CREATE TABLE document (
  cache integer NOT NULL,
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  variant text COLLATE "C" NOT NULL,
  origin text COLLATE "C" NOT NULL,
  -- One of the two: bytea travels as hexadecimal, so text is kept as text.
  body_text text,
  body_bytes bytea,
  etag text NOT NULL,
  encoding text NOT NULL,
  PRIMARY KEY (cache, kind, key, variant, origin),
  CHECK (num_nonnulls(body_text, body_bytes) = 1)
);

-- A document may show how a blob is stored, and that it is there at all.
CREATE FUNCTION drop_documents_of_changed_blob() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM document WHERE (cache, kind, key) IN (
    SELECT cache, kind, key FROM reference WHERE domain = NEW.domain AND digest = NEW.digest
  );
  RETURN NULL;
END
$$;

CREATE TRIGGER document_of_changed_blob AFTER UPDATE ON blob
FOR EACH ROW WHEN (NEW.state <> OLD.state OR NEW.stored_sha256 <> OLD.stored_sha256)
EXECUTE FUNCTION drop_documents_of_changed_blob();

CREATE TABLE audit (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  cache integer NOT NULL,
  principal text NOT NULL,
  action text NOT NULL,
  resource text NOT NULL,
  digest text NOT NULL,
  address text NOT NULL
);

CREATE FUNCTION audit_is_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only';
END
$$;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_is_never_changed();
