-- name: traces_of_session
-- Uses traces_by_session.
SELECT trace_id FROM traces WHERE experiment = ? AND session_id = ? LIMIT ?

-- name: traces_of_experiment
-- Uses traces_by_experiment.
SELECT trace_id FROM traces WHERE experiment = ? LIMIT ?

-- name: traces_of_trace
SELECT trace_id FROM traces WHERE trace_id = ? LIMIT ?

-- name: size
-- What deleting some traces would take away.
SELECT count(*), coalesce(sum(span_count), 0),
       coalesce(sum((SELECT count(*) FROM scores s WHERE s.trace_id = t.trace_id)), 0)
FROM traces t WHERE {condition}

-- name: only_here
-- Attachments that no trace but these names. Uses both indexes of attachments.
SELECT DISTINCT a.digest FROM attachments a
WHERE a.trace IN (SELECT key FROM traces t WHERE {condition})
  AND NOT EXISTS (
    SELECT 1 FROM attachments b WHERE b.digest = a.digest
      AND b.trace NOT IN (SELECT key FROM traces t WHERE {condition})
  )

-- name: digests_of_trace
SELECT a.digest FROM attachments a JOIN traces t ON t.key = a.trace WHERE t.trace_id = ?

-- name: is_named
SELECT 1 FROM attachments WHERE digest = ? LIMIT 1

-- name: count_scores
SELECT count(*) FROM scores WHERE trace_id = ?

-- name: sessions_of_experiment
SELECT DISTINCT session_id FROM scores WHERE experiment = ? AND session_id IS NOT NULL
  AND trace_id IS NULL

-- name: count_session_scores
SELECT count(*) FROM scores WHERE experiment = ? AND session_id = ? AND trace_id IS NULL

-- name: experiment_id
SELECT id FROM experiments WHERE name = ?
