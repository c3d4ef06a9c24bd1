-- Times are microseconds since the Unix epoch. What the texts mean is said by portcullis-grants.

CREATE TABLE grants (
  -- Grows with every change of any row, so that other processes find what is new by asking for what is higher.
  change INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  -- For whom.
  kind TEXT NOT NULL,
  provider TEXT NOT NULL,
  subject TEXT NOT NULL,
  name TEXT NOT NULL,
  -- To what, why and for how long.
  service TEXT NOT NULL,
  reason TEXT NOT NULL,
  duration INTEGER NOT NULL CHECK (duration > 0),
  state TEXT NOT NULL CHECK (state IN ('asked', 'approved', 'refused', 'ended')),
  break_glass INTEGER NOT NULL CHECK (break_glass IN (0, 1)),
  asked INTEGER NOT NULL,
  -- When a question that nobody answers ends, and then when the grant does.
  expires INTEGER NOT NULL,
  -- Who approved or refused, and what they said to it.
  decided INTEGER,
  decided_by TEXT,
  answer TEXT,
  -- When it ended, and why.
  ended INTEGER,
  ended_because TEXT
) STRICT;

CREATE INDEX grants_in_force ON grants (expires) WHERE state IN ('asked', 'approved');
