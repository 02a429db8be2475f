-- Version 5: what people said is found without looking at what scorers said.
CREATE INDEX scores_by_person ON scores (trace_id, name)
  WHERE latest AND source = 'HUMAN' AND trace_id IS NOT NULL;
