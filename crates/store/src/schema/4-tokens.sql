-- Times are seconds since the Unix epoch.

-- Keys that programs prove themselves with.
CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  -- Grows with every change but of `used`, so that other processes see that there is something new.
  change INTEGER NOT NULL UNIQUE,
  name TEXT NOT NULL,
  -- SHA-256 of the secret, which is not kept.
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  -- Sorted, one on each line.
  groups TEXT NOT NULL,
  -- The same; NULL: all.
  services TEXT,
  created INTEGER NOT NULL,
  expires INTEGER,
  -- Last use, to a minute or so.
  used INTEGER,
  revoked INTEGER
) STRICT, WITHOUT ROWID;
