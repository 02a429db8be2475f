-- name: load_cell
SELECT content FROM rollups
WHERE experiment = ? AND step = ? AND minute = ? AND kind = ? AND model = ?

-- name: put_cell
INSERT INTO rollups (experiment, step, minute, kind, model, content) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET content = excluded.content

-- name: delete_cell
DELETE FROM rollups
WHERE experiment = ? AND step = ? AND minute = ? AND kind = ? AND model = ?

-- name: cells
-- All cells of a step of one experiment within a range of time. Uses the primary key.
SELECT minute, kind, model, content FROM rollups
WHERE experiment = ? AND step = ? AND minute >= ? AND minute < ?
ORDER BY minute, kind, model
