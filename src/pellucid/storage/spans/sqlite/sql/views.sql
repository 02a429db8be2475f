-- name: traces
-- Traces: one row each, with the totals of their spans.
CREATE TEMP VIEW traces AS
SELECT lower(hex(t.trace_id)) AS trace_id, e.name AS experiment, t.run_id, t.name,
       pellucid_kind(t.root_kind) AS root_kind,
       pellucid_status(t.status, t.pending_seen_ns) AS status,
       t.start_ns, t.duration_ns, t.span_count, t.error_count, t.models, t.tokens_in,
       t.tokens_out, t.cost AS cost_usd, t.input_preview, t.output_preview, t.session_id,
       t.user_id, t.tags
FROM main.traces t JOIN main.experiments e ON e.id = t.experiment

-- name: spans
-- Spans: one row each; input, output, attributes and resource are JSON, read when asked for.
CREATE TEMP VIEW spans AS
SELECT lower(hex(t.trace_id)) AS trace_id, lower(hex(s.span_id)) AS span_id,
       lower(hex(s.parent_id)) AS parent_id, e.name AS experiment, s.name,
       pellucid_kind(s.kind) AS kind, pellucid_status(s.status, s.last_seen_ns) AS status,
       s.start_ns, s.duration_ns, s.model, s.provider, s.agent, s.tokens_in, s.tokens_out,
       s.cache_read AS tokens_cache_read, s.cache_write AS tokens_cache_write,
       s.reasoning AS tokens_reasoning, s.image AS tokens_image,
       s.counted & 1 AS counted, CASE WHEN s.cost <> 0 THEN s.cost
       WHEN s.estimate <> 0 THEN s.estimate ELSE s.cost END AS cost_usd, s.ttft_ns,
       pellucid_body('input', b.content, s.slot) AS input,
       pellucid_body('output', b.content, s.slot) AS output,
       pellucid_body('status_message', b.content, s.slot) AS status_message,
       pellucid_body('attributes', b.content, s.slot) AS attributes,
       pellucid_body('resource', b.content, s.slot) AS resource
FROM main.spans s JOIN main.traces t ON t.key = s.trace
JOIN main.experiments e ON e.id = t.experiment JOIN main.blocks b ON b.id = s.block

-- name: scores
-- Scores: one row each; latest is 1 for the latest of its target, name, source and author.
CREATE TEMP VIEW scores AS
SELECT s.id, s.name, pellucid_score_value(s.content) AS value, s.source,
       nullif(s.author, '') AS author, s.time_ns, s.latest,
       lower(hex(s.trace_id)) AS trace_id, lower(hex(s.span_id)) AS span_id, s.experiment,
       s.session_id, s.run_id
FROM main.scores s
