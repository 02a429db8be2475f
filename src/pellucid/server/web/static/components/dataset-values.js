// @ts-check
// The values of a dataset's examples: what a cell shows, and what was typed into it.

/**
 * @typedef {{
 *   id?: string,
 *   inputs: Record<string, unknown>,
 *   expected?: unknown,
 *   gold_documents?: unknown,
 *   metadata?: unknown,
 *   split?: unknown,
 *   trace_id?: string,
 * }} Example
 */

const REST = "inputs";

/**
 * The value of a field; `shown` are the inputs that have columns of their own.
 * @param {Example} example
 * @param {string} field
 * @param {Set<string>} shown
 * @returns {unknown}
 */
export function valueOf(example, field, shown) {
  if (field === REST) {
    const rest = Object.entries(example.inputs).filter(([name]) => !shown.has(name));
    return rest.length ? Object.fromEntries(rest) : undefined;
  }
  if (field.startsWith("inputs.")) return example.inputs[field.slice(7)];
  return /** @type {Record<string, unknown>} */ (example)[field];
}

/**
 * The example with another value; undefined takes the field away.
 * @param {Example} example
 * @param {string} field
 * @param {unknown} value
 * @param {Set<string>} shown
 * @returns {Example}
 */
export function withValue(example, field, value, shown) {
  if (field === REST) {
    const own = Object.entries(example.inputs).filter(([name]) => shown.has(name));
    return { ...example, inputs: { ...Object.fromEntries(own), .../** @type {object} */ (value) } };
  }
  const isInput = field.startsWith("inputs.");
  const name = isInput ? field.slice(7) : field;
  const { [name]: _, ...kept } = /** @type {Record<string, unknown>} */ (
    isInput ? example.inputs : example
  );
  const next = value === undefined ? kept : { ...kept, [name]: value };
  return /** @type {Example} */ (isInput ? { ...example, inputs: next } : next);
}

/**
 * The text that is edited: JSON for what is no text.
 * @param {unknown} value
 * @param {string} field
 */
export function textOf(value, field) {
  if (value === undefined || value === null) return "";
  if (field === "gold_documents" && Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * One line for the table.
 * @param {unknown} value
 * @param {string} field
 */
export function lineOf(value, field) {
  if (field === "metadata" && value && typeof value === "object") {
    return Object.entries(value)
      .map(([name, one]) => `${name}: ${textOf(one, "")}`)
      .join(", ");
  }
  return textOf(value, field).slice(0, 300);
}

/**
 * What a text means in a field. Where text stood or nothing, it is text; where a number or a
 * structure stood, or stands in the rest of the column, it is JSON if it reads as such.
 * @param {string} text
 * @param {string} field
 * @param {boolean} isJson
 * @returns {unknown} undefined for nothing
 * @throws {Error} that says what is wrong
 */
export function readText(text, field, isJson) {
  const trimmed = text.trim();
  if (!trimmed) return undefined;
  if (field === "split") return trimmed;
  if (field === "gold_documents" && !/^[[{]/.test(trimmed)) {
    return trimmed
      .split(/[,\n]/)
      .map((one) => one.trim())
      .filter(Boolean);
  }
  const mustBe = ["gold_documents", "metadata", REST].includes(field);
  if (!mustBe && !isJson && !/^[[{]/.test(trimmed)) return text;
  try {
    const value = JSON.parse(trimmed);
    if (mustBe && (value === null || typeof value !== "object")) throw new Error();
    if (mustBe && field !== "gold_documents" && Array.isArray(value)) throw new Error();
    return value;
  } catch {
    if (mustBe) throw new Error(`This must be JSON, such as {"topic": "discs"}.`);
    return text;
  }
}

/**
 * The cells of copied rows: tabs between cells, as spreadsheets copy them, quoted where need be.
 * @param {string} text
 * @returns {string[][]}
 */
export function readRows(text) {
  /** @type {string[][]} */
  const rows = [[]];
  let at = 0;
  const source = text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  while (at <= source.length) {
    let cell = "";
    const quoted = source[at] === '"' && /^"(?:[^"]|"")*"(?=[\t\n]|$)/.exec(source.slice(at));
    if (quoted) {
      cell = quoted[0].slice(1, -1).replaceAll('""', '"');
      at += quoted[0].length;
    } else {
      const end = source.slice(at).search(/[\t\n]/);
      cell = end < 0 ? source.slice(at) : source.slice(at, at + end);
      at += cell.length;
    }
    rows[rows.length - 1].push(cell);
    if (source[at] === "\n") rows.push([]);
    at += 1;
  }
  return rows;
}
