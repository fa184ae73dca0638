-- The store in which a blob lies; empty for those of a depot that names none, and for all from before there were several.
ALTER TABLE blob ADD COLUMN store text COLLATE "C" NOT NULL DEFAULT '';

-- Tells which stores are in use. Without named ones it stays empty, and costs nothing.
CREATE INDEX blob_by_store ON blob (store) WHERE store <> '';
