-- Version 1: traces, their spans, and the bodies of these.
-- Times are nanoseconds since the Unix epoch; ids are the bytes of OpenTelemetry's.

-- High-water marks of keys: a key is never given twice, even after its row was deleted.
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('trace', 0), ('span', 0);

CREATE TABLE experiments (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  slug        TEXT NOT NULL,
  trace_count INTEGER NOT NULL DEFAULT 0,
  error_count INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX experiments_by_slug ON experiments (slug);

-- One row a trace; every field follows from its merged spans.
CREATE TABLE traces (
  key             INTEGER PRIMARY KEY,
  trace_id        BLOB NOT NULL UNIQUE,
  experiment      INTEGER NOT NULL REFERENCES experiments (id),
  start_ns        INTEGER NOT NULL,
  duration_ns     INTEGER NOT NULL,
  status          INTEGER NOT NULL,            -- 0 ok, 1 error, 2 some span is pending
  pending_seen_ns INTEGER NOT NULL,            -- the last news of a pending span
  root_kind       INTEGER NOT NULL,            -- codes.KINDS
  span_count      INTEGER NOT NULL,
  error_count     INTEGER NOT NULL,
  tokens_in       INTEGER NOT NULL,
  tokens_out      INTEGER NOT NULL,
  cost            REAL,                        -- US dollars
  name            TEXT NOT NULL,
  run_id          TEXT,
  session_id      TEXT,
  user_id         TEXT,
  models          TEXT NOT NULL,               -- JSON list
  tags            TEXT NOT NULL,               -- JSON object
  input_preview   TEXT,
  output_preview  TEXT
);
CREATE INDEX traces_by_start ON traces (start_ns, trace_id);
CREATE INDEX traces_by_experiment ON traces (experiment, start_ns, trace_id);
CREATE INDEX traces_by_session ON traces (experiment, session_id, start_ns)
  WHERE session_id IS NOT NULL;
CREATE INDEX traces_by_run ON traces (run_id, start_ns) WHERE run_id IS NOT NULL;

-- What every read but that of a payload needs, and what merging and counting need.
CREATE TABLE spans (
  id              INTEGER PRIMARY KEY,         -- in order of arrival; a merged span gets a new one
  trace           INTEGER NOT NULL,            -- traces.key
  span_id         BLOB NOT NULL,
  parent_id       BLOB,
  start_ns        INTEGER NOT NULL,
  duration_ns     INTEGER NOT NULL,
  kind            INTEGER NOT NULL,            -- codes.KINDS
  status          INTEGER NOT NULL,            -- 0 ok, 1 error, 2 pending
  counted         INTEGER NOT NULL,            -- 1 tokens, 2 cost are in the totals
  name            TEXT NOT NULL,
  detail          TEXT NOT NULL,
  model           TEXT,
  provider        TEXT,
  agent           TEXT,
  tokens_in       INTEGER NOT NULL,
  tokens_out      INTEGER NOT NULL,
  cache_read      INTEGER NOT NULL,
  cache_write     INTEGER NOT NULL,
  reasoning       INTEGER NOT NULL,
  image           INTEGER NOT NULL,
  cost            REAL,                        -- as the producer reported it
  estimate        REAL,                        -- from the price table
  ttft_ns         INTEGER,
  last_seen_ns    INTEGER NOT NULL,
  labels          INTEGER NOT NULL,            -- labels.number, of the same trace
  block           INTEGER NOT NULL,            -- blocks.id
  slot            INTEGER NOT NULL,            -- place in the block
  end_ns          INTEGER NOT NULL,            -- as decoded; this and the next two decide a merge
  attribute_count INTEGER NOT NULL,
  digest          BLOB NOT NULL,
  normaliser      INTEGER NOT NULL
);
CREATE UNIQUE INDEX spans_by_trace ON spans (trace, span_id);

-- What many spans of a trace have in common: experiment, run, session, user, tags (msgpack).
CREATE TABLE labels (
  trace   INTEGER NOT NULL,
  number  INTEGER NOT NULL,
  content BLOB NOT NULL,
  PRIMARY KEY (trace, number)
) WITHOUT ROWID;

-- Bodies of spans of one trace that arrived together (bodies.py).
CREATE TABLE blocks (id INTEGER PRIMARY KEY, content BLOB NOT NULL);

-- What was deleted, so that a copy sent again does not revive it.
CREATE TABLE tombstones (trace_id BLOB PRIMARY KEY, deleted_ns INTEGER NOT NULL) WITHOUT ROWID;
