-- Version 3: search. What is found by value or by word is indexed behind the writes (indexer.py).

-- Kinds of a trace's spans: bit n stands for codes.KINDS[n].
ALTER TABLE traces ADD COLUMN kinds INTEGER NOT NULL DEFAULT 0;
UPDATE traces SET kinds = (SELECT sum(DISTINCT 1 << s.kind) FROM spans s WHERE s.trace = key);

-- With the status, so that a histogram of an experiment reads this index alone.
DROP INDEX traces_by_experiment;
CREATE INDEX traces_by_experiment ON traces (experiment, start_ns, trace_id, status);
DROP INDEX traces_by_start;
CREATE INDEX traces_by_start ON traces (start_ns, trace_id, status);
CREATE INDEX traces_by_duration ON traces (duration_ns);
CREATE INDEX traces_by_tokens ON traces (tokens_in + tokens_out);
CREATE INDEX traces_by_cost ON traces (cost) WHERE cost IS NOT NULL;
CREATE INDEX traces_by_errors ON traces (error_count) WHERE error_count > 0;
CREATE INDEX traces_not_ok ON traces (status) WHERE status > 0;

-- Names of what spans are found by: `kind`, `model`, `tag.env`, `attr.tenant` …
CREATE TABLE fields (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- Which traces have a span with a value. Text is folded; long text is cut and marked (facts.py).
CREATE TABLE facts (
  field INTEGER NOT NULL,
  value ANY NOT NULL,
  trace INTEGER NOT NULL,
  shown TEXT,                                  -- the value as it was, where folding changed it
  PRIMARY KEY (field, value, trace)
) WITHOUT ROWID;

-- The words of some spans of a trace; texts.rowid is documents.id.
CREATE TABLE documents (id INTEGER PRIMARY KEY, trace INTEGER NOT NULL);
CREATE INDEX documents_by_trace ON documents (trace);
CREATE VIRTUAL TABLE texts USING fts5 (
  words, content = '', contentless_delete = 1, tokenize = 'ascii'
);

-- Spans that the indexer passed over, as they are still running: they change soon.
CREATE TABLE deferred (span INTEGER PRIMARY KEY);

-- Indexed spans that have another version now: what the index says of their trace is in doubt.
CREATE TABLE stale (trace INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX stale_by_trace ON stale (trace);

-- The last span that was indexed, by row.
INSERT INTO counters (name, value) VALUES ('indexed', 0);
