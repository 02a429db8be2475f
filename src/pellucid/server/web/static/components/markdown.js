// @ts-check
// A small, safe subset of Markdown. It builds nodes and never markup, so a hostile text stays text;
// links go only to http(s), and no image is loaded.

import { html } from "./dom.js";

const INLINE =
  /(`+)(.+?)\1|\*\*(\S(?:.*?\S)?)\*\*|__(\S(?:.*?\S)?)__|(?<![\w*])\*(\S(?:[^*]*\S)?)\*(?![\w*])|(?<![\w_])_(\S(?:[^_]*\S)?)_(?![\w_])|!?\[([^\]\n]*)\]\((\S+?)(?:\s+"[^"]*")?\)|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?'"])/s;
const BLOCK = /^(#{1,6}\s|>\s?|[-*+]\s+\S|\d{1,9}[.)]\s+\S|```|~~~|\|.*\||(?:[-*_]\s*){3,}$)/m;
const MOST = 60_000;

/**
 * Tell whether setting a text as Markdown would change how it reads.
 * @param {string} text
 */
export function looksLikeMarkdown(text) {
  return text.length <= MOST && (BLOCK.test(text) || /\*\*\S|`\S|\]\(https?:/.test(text));
}

/**
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function renderMarkdown(text) {
  const fragment = document.createDocumentFragment();
  fragment.append(...blocks(text.replace(/\r\n?/g, "\n").split("\n")));
  return fragment;
}

/**
 * @param {string[]} lines
 * @returns {HTMLElement[]}
 */
function blocks(lines) {
  /** @type {HTMLElement[]} */
  const made = [];
  for (let at = 0; at < lines.length;) {
    const [node, next] = block(lines, at);
    if (node) made.push(node);
    at = Math.max(next, at + 1);
  }
  return made;
}

/**
 * Read one block.
 * @param {string[]} lines
 * @param {number} at
 * @returns {[HTMLElement | null, number]} the node and the line after it
 */
function block(lines, at) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const fence = /^\s*(```+|~~~+)/.exec(line);
  if (fence) return code(lines, at, fence[1]);
  const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
  if (heading) {
    const level = /** @type {"h3" | "h4" | "h5"} */ (`h${Math.min(heading[1].length + 2, 5)}`);
    return [html(level, {}, ...inline(heading[2])), at + 1];
  }
  if (/^(?:[-*_]\s*){3,}$/.test(line)) return [html("hr"), at + 1];
  if (/^\s*>/.test(line)) {
    const end = until(lines, at, (one) => !/^\s*>/.test(one));
    const inner = lines.slice(at, end).map((one) => one.replace(/^\s*>\s?/, ""));
    return [html("blockquote", {}, ...blocks(inner)), end];
  }
  if (/^\s*\|.*\|\s*$/.test(line) && /^\s*\|[\s:|-]+\|\s*$/.test(lines[at + 1] ?? "")) {
    return table(lines, at);
  }
  if (/^\s*(?:[-*+]|\d{1,9}[.)])\s+/.test(line)) return list(lines, at);
  const end = until(lines, at + 1, (one) => !one.trim() || BLOCK.test(one));
  const body = lines.slice(at, end).flatMap((one, index) => {
    const nodes = inline(one.trimEnd());
    return index ? [html("br"), ...nodes] : nodes;
  });
  return [html("p", {}, ...body), end];
}

/**
 * @param {string[]} lines
 * @param {number} at
 * @param {(line: string) => boolean} stop
 */
function until(lines, at, stop) {
  let end = at;
  while (end < lines.length && !stop(lines[end])) end++;
  return end;
}

/**
 * @param {string[]} lines
 * @param {number} at
 * @param {string} fence
 * @returns {[HTMLElement, number]}
 */
function code(lines, at, fence) {
  const end = until(lines, at + 1, (one) => one.trim().startsWith(fence));
  const text = lines.slice(at + 1, end).join("\n");
  return [html("pre", {}, html("code", {}, text)), end + 1];
}

/**
 * @param {string[]} lines
 * @param {number} at
 * @returns {[HTMLElement, number]}
 */
function table(lines, at) {
  const end = until(lines, at, (one) => !/^\s*\|.*\|\s*$/.test(one));
  const cells = (/** @type {string} */ line) => line.trim().slice(1, -1).split("|");
  const row = (/** @type {string} */ line, /** @type {"th" | "td"} */ tag) =>
    html("tr", {}, ...cells(line).map((cell) => html(tag, {}, ...inline(cell.trim()))));
  const body = lines.slice(at + 2, end).map((line) => row(line, "td"));
  return [
    html("table", {}, html("thead", {}, row(lines[at], "th")), html("tbody", {}, ...body)),
    end,
  ];
}

/**
 * A list; lines that are indented below an item belong to it.
 * @param {string[]} lines
 * @param {number} at
 * @returns {[HTMLElement, number]}
 */
function list(lines, at) {
  const marker = /^(\s*)(?:[-*+]|(\d{1,9})[.)])\s+/;
  const first = /** @type {RegExpExecArray} */ (marker.exec(lines[at]));
  const indent = first[1].length;
  const node = first[2] ? html("ol", { start: first[2] }) : html("ul");
  while (at < lines.length) {
    const item = marker.exec(lines[at]);
    if (!item || item[1].length !== indent || Boolean(item[2]) !== Boolean(first[2])) break;
    const end = until(lines, at + 1, (one) => {
      const next = /^\s*/.exec(one)?.[0].length ?? 0;
      return one.trim() === "" || (next <= indent && (marker.test(one) || BLOCK.test(one)));
    });
    const inner = [lines[at].slice(item[0].length), ...lines.slice(at + 1, end)];
    const nested = inner.slice(1).map((one) => one.slice(Math.min(item[0].length, indentOf(one))));
    const children = nested.length ? blocks(nested) : [];
    node.append(html("li", {}, ...inline(inner[0]), ...children));
    at = end;
    if (!lines[at]?.trim() && marker.test(lines[at + 1] ?? "")) at++;
  }
  return [node, at];
}

/** @param {string} line */
function indentOf(line) {
  return line.length - line.trimStart().length;
}

/**
 * @param {string} text
 * @returns {(Node | string)[]}
 */
function inline(text) {
  /** @type {(Node | string)[]} */
  const made = [];
  let rest = text;
  for (let match = INLINE.exec(rest); match; match = INLINE.exec(rest)) {
    if (match.index) made.push(rest.slice(0, match.index));
    made.push(mark(match));
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest) made.push(rest);
  return made;
}

/** @param {RegExpExecArray} match */
function mark(match) {
  const [whole, , codeText, strong, strongToo, em, emToo, label, target, bare] = match;
  if (codeText !== undefined) return html("code", {}, codeText.trim());
  const bold = strong ?? strongToo;
  if (bold !== undefined) return html("strong", {}, ...inline(bold));
  const slanted = em ?? emToo;
  if (slanted !== undefined) return html("em", {}, ...inline(slanted));
  const address = bare ?? target;
  if (!/^https?:\/\//i.test(address)) return whole;
  return html(
    "a",
    { href: address, target: "_blank", rel: "noopener noreferrer" },
    label || address,
  );
}
