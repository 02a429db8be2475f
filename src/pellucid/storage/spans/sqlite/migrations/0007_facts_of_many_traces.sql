-- Version 7: what 32 traces have in common is one row and not 32: most attributes of most traces are.

-- Bits of facts.bits.
CREATE TABLE places (place INTEGER PRIMARY KEY);
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 31)
INSERT INTO places SELECT n FROM numbers;

ALTER TABLE facts RENAME TO facts_before;
CREATE TABLE facts (
  field   INTEGER NOT NULL,
  value   NOT NULL,                            -- of no type, so that nothing is converted
  segment INTEGER NOT NULL,                    -- traces.key / 32
  shown   TEXT NOT NULL,                       -- the value as it was, or '' if folding left it so
  bits    INTEGER NOT NULL,                    -- bit n stands for the trace 32 * segment + n
  PRIMARY KEY (field, value, segment, shown)
) WITHOUT ROWID;
-- Row by row in the new order: sorted groups would have to fit into memory.
INSERT INTO facts (field, value, segment, shown, bits)
SELECT field, value, trace >> 5, coalesce(shown, ''), 1 << (trace & 31) FROM facts_before WHERE true
ON CONFLICT DO UPDATE SET bits = bits | excluded.bits;
DROP TABLE facts_before;

-- The same, a row for each trace.
CREATE VIEW facts_of_traces (field, value, shown, trace) AS
SELECT f.field, f.value, f.shown, f.segment << 5 | p.place
FROM facts f CROSS JOIN places p
  ON p.place BETWEEN CAST(log2(f.bits & -f.bits) AS INTEGER) AND CAST(log2(f.bits) AS INTEGER)
WHERE f.bits >> p.place & 1;
