-- Version 2: rollups, scores, log records, and which traces hold which attachments.

-- Sums over the final spans of an experiment, by start, kind and model (rollups.py). Each span is
-- in three cells: of its minute, of its hour, and of all time.
CREATE TABLE rollups (
  experiment INTEGER NOT NULL REFERENCES experiments (id),
  step       INTEGER NOT NULL,                 -- minutes; 0 = all time
  minute     INTEGER NOT NULL,                 -- start of the step, minutes since the epoch
  kind       INTEGER NOT NULL,
  model      TEXT NOT NULL,                    -- '' = none
  content    BLOB NOT NULL,                    -- msgpack
  PRIMARY KEY (experiment, step, minute, kind, model)
) WITHOUT ROWID;

CREATE TABLE scores (
  number     INTEGER PRIMARY KEY,
  id         TEXT NOT NULL UNIQUE,
  trace_id   BLOB,
  span_id    BLOB,
  experiment TEXT,
  session_id TEXT,
  run_id     TEXT,
  name       TEXT NOT NULL,
  source     TEXT NOT NULL,
  author     TEXT NOT NULL,                    -- '' = none
  time_ns    INTEGER NOT NULL,
  latest     INTEGER NOT NULL,                 -- 1 = the latest of its target, name, source, author
  figure     REAL,                             -- the value, where it is a number
  word       TEXT,                             -- the value in folded case, else: true, false, text
  content    BLOB NOT NULL                     -- msgpack of the whole score
);
CREATE INDEX scores_by_trace ON scores (trace_id, name) WHERE trace_id IS NOT NULL;
CREATE INDEX scores_by_session ON scores (experiment, session_id) WHERE session_id IS NOT NULL;
CREATE INDEX scores_by_run ON scores (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX scores_by_figure ON scores (name, figure, trace_id)
  WHERE latest AND trace_id IS NOT NULL AND figure IS NOT NULL;
CREATE INDEX scores_by_word ON scores (name, word, trace_id)
  WHERE latest AND trace_id IS NOT NULL AND word IS NOT NULL;

-- Scores that were deleted with their session, by id.
CREATE TABLE deleted_scores (id TEXT PRIMARY KEY) WITHOUT ROWID;

-- Log records that belong to spans, whether these are here yet or not.
CREATE TABLE logs (
  digest   BLOB PRIMARY KEY,
  trace_id BLOB NOT NULL,
  span_id  BLOB NOT NULL,
  content  BLOB NOT NULL                       -- msgpack
) WITHOUT ROWID;
CREATE INDEX logs_by_span ON logs (trace_id, span_id);

-- The attachments that spans of a trace name.
CREATE TABLE attachments (
  trace  INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (trace, digest)
) WITHOUT ROWID;
CREATE INDEX attachments_by_digest ON attachments (digest);

-- Rows of traces that were there before are to be derived anew (derive.py).
INSERT INTO counters (name, value)
VALUES ('underived', (SELECT value FROM counters WHERE name = 'trace')), ('derived', 0);
