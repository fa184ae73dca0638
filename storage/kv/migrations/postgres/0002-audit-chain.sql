-- The server's own: what it keeps for itself is a record like any other, and no tenant's.
INSERT INTO cache (id, name, domain) VALUES (0, '-', '-');

-- Lines are numbered without gaps, which an identity column cannot do: it counts what was rolled back.
ALTER TABLE audit ALTER COLUMN seq DROP IDENTITY;

-- Milliseconds since 1970, as they are hashed.
ALTER TABLE audit ALTER COLUMN at DROP DEFAULT;
ALTER TABLE audit ALTER COLUMN at TYPE bigint USING floor(extract(epoch FROM at) * 1000)::bigint;

ALTER TABLE audit ADD COLUMN user_agent text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN credential text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN result text NOT NULL DEFAULT 'done' CHECK (result IN ('done', 'denied'));
-- Empty for lines from before there was a chain; the chain begins at the first line that has one.
ALTER TABLE audit ADD COLUMN hash text NOT NULL DEFAULT '';

CREATE TRIGGER audit_is_never_removed BEFORE DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_is_never_changed();

CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_never_changed();
