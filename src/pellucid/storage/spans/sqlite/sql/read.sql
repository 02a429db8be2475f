-- name: trace
-- One trace. Uses UNIQUE (trace_id).
SELECT {columns} FROM traces t JOIN experiments e ON e.id = t.experiment WHERE t.trace_id = ?

-- name: trace_key
SELECT key FROM traces WHERE trace_id = ?

-- name: outline
-- The order, standing and place of every span of a trace. Uses spans_by_trace.
SELECT id, span_id, parent_id, start_ns, status, counted, last_seen_ns, block, slot
FROM spans WHERE trace = ?

-- name: outline_span
SELECT id, span_id, parent_id, start_ns, status, counted, last_seen_ns, block, slot
FROM spans WHERE trace = ? AND span_id = ?

-- name: waterfall
-- What is drawn of every span of a trace. Uses spans_by_trace.
SELECT id, span_id, parent_id, start_ns, duration_ns, name, kind, status, last_seen_ns, model,
       agent, tokens_in, tokens_out,
       CASE WHEN cost <> 0 THEN cost WHEN estimate <> 0 THEN estimate ELSE cost END, ttft_ns, detail
FROM spans WHERE trace = ?

-- name: block
SELECT content FROM blocks WHERE id = ?

-- name: experiment_id
SELECT id FROM experiments WHERE name = ?

-- name: experiments
-- All experiments that hold a trace. Ends of the time range use traces_by_experiment.
SELECT e.id, e.name, e.slug, e.trace_count, e.error_count,
       (SELECT min(start_ns) FROM traces t WHERE t.experiment = e.id) AS first_ns,
       (SELECT max(start_ns) FROM traces t WHERE t.experiment = e.id) AS last_ns
FROM experiments e WHERE e.trace_count > 0
ORDER BY last_ns DESC, e.name

-- name: is_named
-- Whether a trace names an attachment. Uses attachments_by_digest.
SELECT 1 FROM attachments WHERE digest = ? LIMIT 1

-- name: experiment_names
SELECT id, name FROM experiments WHERE trace_count > 0

-- name: experiment_named
SELECT id, name FROM experiments WHERE name = ?

-- name: trace_by_key
SELECT {columns} FROM traces t JOIN experiments e ON e.id = t.experiment WHERE t.key = ?

-- name: field_named
-- Whether anything is known by a field. Uses UNIQUE (name).
SELECT 1 FROM fields WHERE name = ?

-- name: score_named
-- Whether there is a score of a name. Uses scores_by_figure, scores_by_word.
SELECT 1 FROM scores WHERE name = ?1 AND latest AND trace_id IS NOT NULL AND figure IS NOT NULL
UNION ALL
SELECT 1 FROM scores WHERE name = ?1 AND latest AND trace_id IS NOT NULL AND word IS NOT NULL
LIMIT 1
