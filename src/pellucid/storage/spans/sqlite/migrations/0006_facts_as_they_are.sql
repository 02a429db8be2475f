-- Version 6: facts keep a value as it is: a column of type ANY had made numbers of texts like "1.0".
-- Facts of the resource are new. The index is made anew, behind the writes.
DROP TABLE facts;
CREATE TABLE facts (
  field INTEGER NOT NULL,
  value NOT NULL,                              -- of no type, so that nothing is converted
  trace INTEGER NOT NULL,
  shown TEXT,                                  -- the value as it was, where folding changed it
  PRIMARY KEY (field, value, trace)
) WITHOUT ROWID;
DELETE FROM documents;
INSERT INTO texts (texts) VALUES ('delete-all');
DELETE FROM deferred;
DELETE FROM stale;
UPDATE counters SET value = 0 WHERE name = 'indexed';
