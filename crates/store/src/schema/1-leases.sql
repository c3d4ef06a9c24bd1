-- Times are milliseconds since the Unix epoch.

CREATE TABLE leases (
  -- Which port space: 'host', 'netns:NAME' or 'host:NAME'.
  space TEXT NOT NULL,
  transport TEXT NOT NULL CHECK (transport IN ('tcp', 'udp')),
  port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),

  -- Whose. Services of two configuration files may have the same name.
  project TEXT NOT NULL,
  service TEXT NOT NULL,
  -- '' if there is none.
  environment TEXT NOT NULL,
  replica INTEGER NOT NULL CHECK (replica >= 0),

  -- The range that it came from; '' for a number that a service declares without one.
  range TEXT NOT NULL,
  since INTEGER NOT NULL,
  -- How it ends: when it is released, at a time, or with its holder.
  term TEXT NOT NULL CHECK (term IN ('released', 'time', 'holder')),
  expires INTEGER CHECK ((expires IS NOT NULL) = (term = 'time')),
  -- When it ended; what has ended is only remembered, so that the same service gets the same number again.
  ended INTEGER,

  -- The process that holds the socket: its number means something only together with when it started, the boot in
  -- which it did, and the pid namespace that counts it.
  holder_pid INTEGER,
  holder_started INTEGER,
  holder_boot TEXT,
  holder_namespace INTEGER,
  holder_command TEXT,

  PRIMARY KEY (space, transport, port),
  UNIQUE (space, transport, project, service, environment, replica),
  CHECK (term <> 'holder' OR holder_pid IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
  space TEXT NOT NULL,
  first INTEGER NOT NULL CHECK (first BETWEEN 1 AND 65535),
  last INTEGER NOT NULL CHECK (last BETWEEN first AND 65535),
  reason TEXT NOT NULL,
  since INTEGER NOT NULL,
  -- NULL: until it is released.
  expires INTEGER,
  PRIMARY KEY (space, first, last)
) STRICT, WITHOUT ROWID;
