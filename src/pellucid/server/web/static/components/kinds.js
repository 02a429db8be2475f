// @ts-check
// How each span kind looks; `web/kinds.py` says the same on the server.

/** @type {Record<string, [key: string, label: string, icon: string]>} */
const LOOKS = {
  AGENT: ["agent", "Agent", "bot"],
  CHAIN: ["chain", "Chain", "link"],
  LLM: ["llm", "LLM", "sparkles"],
  TOOL: ["tool", "Tool", "wrench"],
  RETRIEVER: ["retriever", "Retriever", "text-search"],
  EMBEDDING: ["embedding", "Embedding", "binary"],
  RERANKER: ["reranker", "Reranker", "list-ordered"],
  PARSER: ["parser", "Parser", "braces"],
  GUARDRAIL: ["guardrail", "Guardrail", "shield-check"],
  EVALUATOR: ["evaluator", "Evaluator", "scale"],
  MEMORY: ["memory", "Memory", "brain"],
  TASK: ["task", "Task", "list-checks"],
  IMAGE: ["image", "Image", "image"],
  UNKNOWN: ["unknown", "Span", "circle-dashed"],
};

/** @param {string} kind */
export function kindLook(kind) {
  const [key, label, icon] = LOOKS[kind] ?? LOOKS.UNKNOWN;
  return { key, label, icon };
}
