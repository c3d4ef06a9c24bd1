-- Times are microseconds since the Unix epoch. What the texts say is known to portcullis-audit.

-- Records, each joined to the one before by a hash within its text. There is no column for what they say: a column
-- could be changed without the text.
CREATE TABLE audit_records (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  time INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE INDEX audit_records_by_time ON audit_records (time);

-- Signatures of the newest record (`kept = 0`: only until there is a newer one) and of some before it.
CREATE TABLE audit_heads (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  time INTEGER NOT NULL,
  key TEXT NOT NULL,
  signature BLOB NOT NULL,
  kept INTEGER NOT NULL CHECK (kept IN (0, 1))
) STRICT;

CREATE INDEX audit_heads_in_passing ON audit_heads (id) WHERE kept = 0;

-- Where old records were cut off: those up to this one are no longer asked for.
CREATE TABLE audit_cuts (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  time INTEGER NOT NULL,
  key TEXT NOT NULL,
  signature BLOB NOT NULL
) STRICT;

-- A seat belt for whoever has the file open by hand. It does not stop one who means it: the hashes find that one out.
CREATE TRIGGER audit_records_are_not_changed BEFORE UPDATE ON audit_records
BEGIN
  SELECT RAISE(ABORT, 'audit records are never changed');
END;

CREATE TRIGGER audit_records_are_not_removed BEFORE DELETE ON audit_records
WHEN OLD.id > (SELECT coalesce(max(id), 0) FROM audit_cuts)
BEGIN
  SELECT RAISE(ABORT, 'audit records are only removed up to a signed cut');
END;

-- `INSERT OR REPLACE` removes without the trigger above.
CREATE TRIGGER audit_records_are_only_added BEFORE INSERT ON audit_records
WHEN NEW.id <= (SELECT coalesce(max(id), 0) FROM audit_records)
BEGIN
  SELECT RAISE(ABORT, 'audit records are only added at the end');
END;
