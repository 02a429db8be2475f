-- name: find_trace
-- The key of a trace. Uses UNIQUE (trace_id).
SELECT key, experiment, status FROM traces WHERE trace_id = ?

-- name: is_deleted
SELECT 1 FROM tombstones WHERE trace_id = ?

-- name: any_tombstone
SELECT 1 FROM tombstones LIMIT 1

-- name: any_log
SELECT 1 FROM logs LIMIT 1

-- name: load_nodes
-- All that merging and counting need of a trace's spans. Uses spans_by_trace.
SELECT id, span_id, parent_id, start_ns, duration_ns, kind, status, counted, name, model,
       tokens_in, tokens_out, cache_read, cache_write, reasoning, image, cost, estimate,
       last_seen_ns, labels, block, slot, end_ns, attribute_count, digest
FROM spans WHERE trace = ?

-- name: load_labels
SELECT number, content FROM labels WHERE trace = ?

-- name: insert_span
INSERT INTO spans (
  id, trace, span_id, parent_id, start_ns, duration_ns, kind, status, counted, name, detail,
  model, provider, agent, tokens_in, tokens_out, cache_read, cache_write, reasoning, image,
  cost, estimate, ttft_ns, last_seen_ns, labels, block, slot, end_ns, attribute_count, digest,
  normaliser
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
          ?, ?)

-- name: delete_span
DELETE FROM spans WHERE id = ?

-- name: set_counted
UPDATE spans SET counted = ? WHERE id = ?

-- name: set_seen
UPDATE spans SET last_seen_ns = ? WHERE id = ?

-- name: insert_block
INSERT INTO blocks (id, content) VALUES (?, ?)

-- name: set_block
UPDATE blocks SET content = ? WHERE id = ?

-- name: head_of_block
SELECT substr(content, 1, 1) FROM blocks WHERE id = ?

-- name: delete_block
DELETE FROM blocks WHERE id = ?

-- name: insert_labels
INSERT INTO labels (trace, number, content) VALUES (?, ?, ?)

-- name: put_trace
INSERT OR REPLACE INTO traces (
  key, trace_id, experiment, start_ns, duration_ns, status, pending_seen_ns, root_kind,
  span_count, error_count, tokens_in, tokens_out, cost, name, run_id, session_id, user_id,
  models, tags, input_preview, output_preview, kinds
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: load_previews
SELECT input_preview, output_preview FROM traces WHERE key = ?

-- name: find_experiment
SELECT id FROM experiments WHERE name = ?

-- name: insert_experiment
INSERT INTO experiments (name, slug) VALUES (?, ?)

-- name: add_to_experiment
UPDATE experiments SET trace_count = trace_count + ?, error_count = error_count + ? WHERE id = ?

-- name: load_block
SELECT content FROM blocks WHERE id = ?

-- name: load_counter
SELECT value FROM counters WHERE name = ?

-- name: last_block
SELECT coalesce(max(id), 0) FROM blocks

-- name: set_counter
UPDATE counters SET value = ? WHERE name = ?

-- name: insert_log
INSERT OR IGNORE INTO logs (digest, trace_id, span_id, content) VALUES (?, ?, ?, ?)

-- name: logged_spans
-- Spans of a trace that have log records. Uses logs_by_span.
SELECT DISTINCT span_id FROM logs WHERE trace_id = ?

-- name: logs_of_span
-- Uses logs_by_span.
SELECT content FROM logs WHERE trace_id = ? AND span_id = ? ORDER BY digest

-- name: normaliser_of
SELECT normaliser FROM spans WHERE id = ?

-- name: older_spans
-- Spans that an older normaliser than this read, in order of arrival. Walks the table from a row on.
SELECT s.id, t.trace_id, s.span_id FROM spans s JOIN traces t ON t.key = s.trace
WHERE s.id > ? AND s.normaliser < ? ORDER BY s.id LIMIT ?

-- name: insert_attachment
INSERT OR IGNORE INTO attachments (trace, digest) VALUES (?, ?)

-- name: insert_tombstone
INSERT OR IGNORE INTO tombstones (trace_id, deleted_ns) VALUES (?, ?)

-- name: delete_scores
DELETE FROM scores WHERE trace_id = ?

-- name: delete_logs
DELETE FROM logs WHERE trace_id = ?

-- name: delete_spans
DELETE FROM spans WHERE trace = ?

-- name: delete_labels
DELETE FROM labels WHERE trace = ?

-- name: delete_attachments
DELETE FROM attachments WHERE trace = ?

-- name: delete_trace
DELETE FROM traces WHERE key = ?

-- name: underived
-- Traces that a version before 2 wrote and that are not derived yet.
SELECT key, trace_id FROM traces
WHERE key > (SELECT value FROM counters WHERE name = 'derived')
  AND key <= (SELECT value FROM counters WHERE name = 'underived')
ORDER BY key LIMIT 200
