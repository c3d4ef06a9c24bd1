-- Times are seconds since the Unix epoch.

-- Secret keys of the proxy itself. A number is never used twice.
CREATE TABLE keys (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- What it is for: 'seal', 'assertion'.
  purpose TEXT NOT NULL,
  secret BLOB NOT NULL,
  created INTEGER NOT NULL
) STRICT;

-- Logins.
CREATE TABLE sessions (
  -- Grows with every change of any row, so that other processes find what is new by asking for what is higher.
  change INTEGER PRIMARY KEY AUTOINCREMENT,
  -- What logs and the audit name it by. The secret in the cookie can not be told from it.
  id TEXT NOT NULL UNIQUE,
  -- Who vouches, and for whom.
  provider TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- The name that policies know.
  name TEXT NOT NULL,
  -- The row of `users` that it rests on, if it is one of ours.
  account TEXT,
  -- The provider's own name for its session ('sid').
  provider_session TEXT,
  -- What is known of the person: JSON.
  person TEXT NOT NULL,
  -- The provider's tokens, sealed with a key of `keys`.
  tokens BLOB,
  created INTEGER NOT NULL,
  -- Last use, to some seconds.
  seen INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  -- When the provider last confirmed what is known.
  confirmed INTEGER NOT NULL,
  -- Until when one process is busy asking the provider again, and the others keep their hands off.
  claimed INTEGER NOT NULL,
  ended INTEGER
) STRICT;

-- People that the proxy itself knows.
CREATE TABLE users (
  -- Lower case.
  name TEXT PRIMARY KEY,
  -- PHC string.
  password TEXT NOT NULL,
  -- Sorted, one on each line.
  groups TEXT NOT NULL,
  created INTEGER NOT NULL,
  -- When the password was set.
  changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
