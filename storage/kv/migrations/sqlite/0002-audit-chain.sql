-- The server's own: what it keeps for itself is a record like any other, and no tenant's.
INSERT INTO cache (id, name, domain) VALUES (0, '-', '-');

ALTER TABLE audit ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN credential TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN result TEXT NOT NULL DEFAULT 'done' CHECK (result IN ('done', 'denied'));
-- Empty for lines from before there was a chain; the chain begins at the first line that has one.
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';

CREATE TRIGGER audit_is_never_removed BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- INSERT OR REPLACE fires neither of the other two.
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = new.seq)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;
