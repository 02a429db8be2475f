-- name: find_trace
-- The key of a trace. Uses UNIQUE (trace_id).
SELECT key, experiment, status FROM traces WHERE trace_id = ?

-- name: is_deleted
SELECT 1 FROM tombstones WHERE trace_id = ?

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

-- name: delete_block
DELETE FROM blocks WHERE id = ?

-- name: insert_labels
INSERT INTO labels (trace, number, content) VALUES (?, ?, ?)

-- name: put_trace
INSERT OR REPLACE INTO traces (
  key, trace_id, experiment, start_ns, duration_ns, status, pending_seen_ns, root_kind,
  span_count, error_count, tokens_in, tokens_out, cost, name, run_id, session_id, user_id,
  models, tags, input_preview, output_preview
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

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

-- name: load_counters
SELECT (SELECT value FROM counters WHERE name = 'trace'),
       (SELECT value FROM counters WHERE name = 'span'),
       (SELECT coalesce(max(id), 0) FROM blocks)

-- name: set_counter
UPDATE counters SET value = ? WHERE name = ?
