-- name: fields_of_some
-- What is counted of some traces, by key.
SELECT t.status, t.pending_seen_ns, t.kinds, t.name, t.models, t.user_id, t.tags,
       t.error_count
FROM json_each(?) k CROSS JOIN traces t ON t.key = k.value

-- name: scores_of_some
-- Latest scores on some traces, by key. Uses scores_by_trace.
SELECT DISTINCT s.name, t.key, s.figure, s.word
FROM json_each(?) k CROSS JOIN traces t ON t.key = k.value
CROSS JOIN scores s ON s.trace_id = t.trace_id
WHERE s.latest

-- name: range
-- First and last start. Uses traces_by_start.
SELECT (SELECT min(start_ns) FROM traces), (SELECT max(start_ns) FROM traces)

-- name: range_of
-- The same of an experiment. Uses traces_by_experiment.
SELECT (SELECT min(start_ns) FROM traces WHERE experiment = ?1),
       (SELECT max(start_ns) FROM traces WHERE experiment = ?1)

-- name: bins
-- Traces and failed ones by step of time. Uses traces_by_start, and no row if the predicate does not.
SELECT (t.start_ns - ?) / ?, count(*), sum(t.status = 1) FROM traces t
WHERE t.start_ns >= ? AND t.start_ns < ? AND ({predicate}) GROUP BY 1

-- name: bins_of
-- The same of an experiment. Uses traces_by_experiment likewise.
SELECT (t.start_ns - ?) / ?, count(*), sum(t.status = 1) FROM traces t
WHERE t.start_ns >= ? AND t.start_ns < ? AND t.experiment = ? AND ({predicate}) GROUP BY 1

-- name: spread
-- Every so manieth trace. Reads traces_by_start alone.
SELECT key FROM traces WHERE start_ns >= ? AND start_ns < ? AND key % ? = 0

-- name: spread_of
-- The same of an experiment. Reads traces_by_experiment alone.
SELECT key FROM traces WHERE start_ns >= ? AND start_ns < ? AND experiment = ? AND key % ? = 0

-- name: count_spread
SELECT count(*) FROM traces WHERE start_ns >= ? AND start_ns < ?

-- name: count_spread_of
SELECT count(*) FROM traces WHERE start_ns >= ? AND start_ns < ? AND experiment = ?

-- name: bins_of_some
-- The same of some traces, by key.
SELECT (t.start_ns - ?1) / ?2, count(*), sum(t.status = 1)
FROM json_each(?3) k CROSS JOIN traces t ON t.key = k.value GROUP BY 1

-- name: newest_of_sessions
-- The sessions of some traces, by key.
SELECT t.key, t.experiment, t.session_id
FROM json_each(?) k CROSS JOIN traces t ON t.key = k.value
WHERE t.session_id IS NOT NULL AND t.session_id <> ''

-- name: newer_of_session
-- A session's traces at or before a place in the order. Uses traces_by_session.
SELECT key FROM traces INDEXED BY traces_by_session WHERE experiment = ? AND session_id = ? AND (start_ns, trace_id) >= (?, ?)
ORDER BY start_ns DESC LIMIT 1000

-- name: session
-- A session's sums. Uses traces_by_session.
SELECT count(*), sum(status = 1), min(start_ns), max(start_ns), sum(tokens_in), sum(tokens_out),
       sum(cost)
FROM traces INDEXED BY traces_by_session WHERE experiment = ? AND session_id = ?

-- name: session_ends
-- A session's first or last traces. Uses traces_by_session.
SELECT user_id, input_preview, output_preview FROM traces INDEXED BY traces_by_session
WHERE experiment = ? AND session_id = ?
ORDER BY start_ns {order}, trace_id {order} LIMIT 20

-- name: experiment_name
SELECT name FROM experiments WHERE id = ?

-- name: first_value
-- The least value of a field from a text on, below an end. Uses the primary key of facts.
SELECT value, shown FROM facts
WHERE field = (SELECT id FROM fields WHERE name = ?1) AND value >= ?2 AND value < ?3
ORDER BY field, value, segment, shown LIMIT 1

-- name: keys
-- Fields of a family. Uses UNIQUE (name).
SELECT name FROM fields WHERE name >= ? AND name < ? ORDER BY name LIMIT ?

-- name: score_names
SELECT DISTINCT name FROM scores WHERE trace_id IS NOT NULL AND name >= ? ORDER BY name LIMIT ?
