-- name: watermark
SELECT value FROM counters WHERE name = 'indexed'

-- name: set_watermark
UPDATE counters SET value = ? WHERE name = 'indexed'

-- name: unindexed
-- Spans of a range of rows, in order of arrival. Walks spans from there.
SELECT id, trace, status, block, slot FROM spans WHERE id > ? AND id <= ?
ORDER BY id LIMIT ?

-- name: ripe
-- Deferred spans of which nothing was heard for long.
SELECT s.id, s.trace, 0, s.block, s.slot FROM deferred d CROSS JOIN spans s ON s.id = d.span
WHERE s.last_seen_ns < ? LIMIT ?

-- name: last_span
SELECT coalesce(max(id), 0) FROM spans

-- name: late_spans
-- All that the index does not have: after the watermark, and deferred.
SELECT trace, id FROM spans WHERE id > ?
UNION ALL
SELECT s.trace, s.id FROM deferred d CROSS JOIN spans s ON s.id = d.span

-- name: deferred_spans
SELECT span FROM deferred

-- name: stale_traces
SELECT DISTINCT trace FROM stale

-- name: stale_bodies
-- Uses stale_by_trace.
SELECT rowid, body FROM stale WHERE trace = ?

-- name: indexed_spans
-- What the index should have of a trace. Uses spans_by_trace.
SELECT id, trace, 0, block, slot FROM spans
WHERE trace = ? AND id <= ? AND id NOT IN (SELECT span FROM deferred)

-- name: alive
SELECT id FROM spans WHERE id IN (SELECT value FROM json_each(?))

-- name: block
SELECT content FROM blocks WHERE id = ?

-- name: trace_is_there
SELECT 1 FROM traces WHERE key = ?

-- name: defer
INSERT OR IGNORE INTO deferred (span) VALUES (?)

-- name: undefer
DELETE FROM deferred WHERE span = ?

-- name: add_document
INSERT INTO documents (id, trace) VALUES (?, ?)

-- name: last_document
SELECT coalesce(max(id), 0) FROM documents

-- name: add_text
INSERT INTO texts (rowid, words) VALUES (?, ?)

-- name: documents_of
-- Uses documents_by_trace.
SELECT id FROM documents WHERE trace = ?

-- name: delete_text
DELETE FROM texts WHERE rowid = ?

-- name: delete_documents
DELETE FROM documents WHERE trace = ?

-- name: find_fields
-- Uses UNIQUE (name).
SELECT f.name, f.id FROM json_each(?) n CROSS JOIN fields f ON f.name = n.value

-- name: last_field
SELECT coalesce(max(id), 0) FROM fields

-- name: add_fields
INSERT INTO fields (id, name) VALUES (?, ?)

-- name: add_facts
INSERT INTO facts (field, value, segment, shown, bits) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET bits = bits | excluded.bits

-- name: delete_fact
-- Takes a trace out of a fact. Uses the primary key.
UPDATE facts SET bits = bits & ~(1 << (?3 & 31)) WHERE field = ?1 AND value = ?2 AND segment = ?3 >> 5

-- name: delete_empty_facts
-- Uses the primary key.
DELETE FROM facts WHERE field = ?1 AND value = ?2 AND segment = ?3 >> 5 AND bits = 0

-- name: mark_stale
INSERT INTO stale (trace, body) VALUES (?, ?)

-- name: clear_stale
DELETE FROM stale WHERE trace = ?

-- name: count_documents
SELECT count(*) FROM documents

-- name: merge_texts
-- Rewrites a few pages of the word index without what was deleted.
INSERT INTO texts (texts, rank) VALUES ('merge', ?)
