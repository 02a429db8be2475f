-- name: walk
-- All traces, newest first. Uses traces_by_start.
SELECT start_ns, trace_id, key FROM traces
WHERE start_ns >= ? AND start_ns < ? AND (start_ns, trace_id) < (?, ?)
ORDER BY start_ns DESC, trace_id DESC

-- name: walk_of
-- An experiment's traces, newest first. Uses traces_by_experiment.
SELECT start_ns, trace_id, key FROM traces
WHERE start_ns >= ? AND start_ns < ? AND (start_ns, trace_id) < (?, ?) AND experiment = ?
ORDER BY start_ns DESC, trace_id DESC

-- name: few
-- Some traces by key, newest first.
SELECT t.start_ns, t.trace_id, t.key FROM json_each(?) k CROSS JOIN traces t ON t.key = k.value
WHERE t.start_ns >= ? AND t.start_ns < ? AND (t.start_ns, t.trace_id) < (?, ?)
ORDER BY t.start_ns DESC, t.trace_id DESC

-- name: few_of
-- Some of an experiment's traces by key, newest first.
SELECT t.start_ns, t.trace_id, t.key FROM json_each(?) k CROSS JOIN traces t ON t.key = k.value
WHERE t.start_ns >= ? AND t.start_ns < ? AND (t.start_ns, t.trace_id) < (?, ?)
  AND t.experiment = ?
ORDER BY t.start_ns DESC, t.trace_id DESC

-- name: filter
-- Those of some traces that match.
SELECT t.key FROM json_each(?) k CROSS JOIN traces t ON t.key = k.value WHERE {predicate}

-- name: outline
-- Uses spans_by_trace.
SELECT id, span_id, parent_id, start_ns, status, counted, last_seen_ns, block, slot
FROM spans WHERE trace = ?

-- name: trace_id
SELECT trace_id FROM traces WHERE key = ?

-- name: window
-- The trace so many places behind a place, if there is one. Reads traces_by_start alone.
SELECT start_ns, trace_id, key FROM traces
WHERE start_ns >= ? AND start_ns < ? AND (start_ns, trace_id) < (?, ?)
ORDER BY start_ns DESC, trace_id DESC LIMIT 1 OFFSET ?

-- name: window_of
-- The same among an experiment's. Reads traces_by_experiment alone.
SELECT start_ns, trace_id, key FROM traces
WHERE start_ns >= ? AND start_ns < ? AND (start_ns, trace_id) < (?, ?) AND experiment = ?
ORDER BY start_ns DESC, trace_id DESC LIMIT 1 OFFSET ?

-- name: matches
-- What matches between two places, newest first. Uses traces_by_start.
SELECT t.start_ns, t.trace_id, t.key FROM traces t
WHERE t.start_ns >= ? AND t.start_ns < ? AND (t.start_ns, t.trace_id) < (?, ?)
  AND (t.start_ns, t.trace_id) >= (?, ?) AND ({predicate})
ORDER BY t.start_ns DESC, t.trace_id DESC

-- name: matches_of
-- The same among an experiment's. Uses traces_by_experiment.
SELECT t.start_ns, t.trace_id, t.key FROM traces t
WHERE t.start_ns >= ? AND t.start_ns < ? AND (t.start_ns, t.trace_id) < (?, ?)
  AND t.experiment = ? AND (t.start_ns, t.trace_id) >= (?, ?) AND ({predicate})
ORDER BY t.start_ns DESC, t.trace_id DESC
