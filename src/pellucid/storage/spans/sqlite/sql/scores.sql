-- name: score_by_id
SELECT content FROM scores WHERE id = ?

-- name: is_deleted_score
SELECT 1 FROM deleted_scores WHERE id = ?

-- name: insert_score
INSERT INTO scores (
  id, trace_id, span_id, experiment, session_id, run_id, name, source, author, time_ns, latest,
  figure, word, content
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)

-- name: rivals_on_trace
-- Scores of one target, name, source and author, the latest first. Uses scores_by_trace.
SELECT number, latest FROM scores
WHERE trace_id = ? AND name = ? AND span_id IS ? AND source = ? AND author = ?
ORDER BY time_ns DESC, id DESC

-- name: rivals_on_session
-- The same for a session. Uses scores_by_session.
SELECT number, latest FROM scores
WHERE experiment = ? AND session_id = ? AND trace_id IS NULL
  AND name = ? AND source = ? AND author = ?
ORDER BY time_ns DESC, id DESC

-- name: rivals_on_run
-- The same for a run. Uses scores_by_run.
SELECT number, latest FROM scores
WHERE run_id = ? AND trace_id IS NULL AND session_id IS NULL
  AND name = ? AND source = ? AND author = ?
ORDER BY time_ns DESC, id DESC

-- name: set_latest
UPDATE scores SET latest = ? WHERE number = ?

-- name: scores_of_trace
-- Scores of a trace and its spans. Uses scores_by_trace.
SELECT content FROM scores WHERE trace_id = ? AND latest >= ? ORDER BY name, time_ns, id

-- name: scores_of_session
-- Scores of a session as such. Uses scores_by_session.
SELECT content FROM scores
WHERE experiment = ? AND session_id = ? AND trace_id IS NULL AND latest >= ?
ORDER BY name, time_ns, id

-- name: scores_of_run
-- Scores of a run as such. Uses scores_by_run.
SELECT content FROM scores
WHERE run_id = ? AND trace_id IS NULL AND session_id IS NULL AND latest >= ?
ORDER BY name, time_ns, id

-- name: annotations_of_experiment
-- The latest scores that people gave to an experiment's traces. Uses scores_by_person.
SELECT s.content FROM scores s INDEXED BY scores_by_person
JOIN traces t ON t.trace_id = s.trace_id
JOIN experiments e ON e.id = t.experiment
WHERE s.latest AND s.source = 'HUMAN' AND s.trace_id IS NOT NULL AND e.name = ?
ORDER BY s.time_ns DESC, s.id DESC LIMIT ?

-- name: annotations_of_trace
-- The same of one trace and its spans. Uses scores_by_person.
SELECT content FROM scores INDEXED BY scores_by_person
WHERE latest AND source = 'HUMAN' AND trace_id = ?

-- name: scores_beside
-- What scorers gave to the target of an annotation under its name. Uses scores_by_trace.
SELECT content FROM scores
WHERE trace_id = ? AND name = ? AND span_id IS ? AND latest AND source <> 'HUMAN'
ORDER BY time_ns, id

-- name: forget_score
INSERT OR IGNORE INTO deleted_scores (id) VALUES (?)

-- name: delete_score
DELETE FROM scores WHERE id = ?

-- name: forget_session_scores
INSERT OR IGNORE INTO deleted_scores (id)
SELECT id FROM scores WHERE experiment = ? AND session_id = ? AND trace_id IS NULL

-- name: delete_session_scores
DELETE FROM scores WHERE experiment = ? AND session_id = ? AND trace_id IS NULL
