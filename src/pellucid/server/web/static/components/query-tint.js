// @ts-check
// A query's terms as tinted stretches: key grey, value teal, negated orange, wrong underlined.

import { html } from "./dom.js";

const TERM =
  /(-|\bNOT\s+)?(@?[A-Za-z_][\w-]*(?:\.(?:[\w-]+|"[^"]*"))*)(\s*(?:!=|<=|>=|[:=<>])\s*)("(?:[^"\\]|\\.)*"?|\([^)]*\)?|[^\s(),"]+)|(-)?("(?:[^"\\]|\\.)*"?)|\b(?:OR|AND|NOT)\b/g;

/**
 * Cut a query into nodes for the mirror.
 * @param {string} text
 * @param {{ position: number, length: number } | null} fault
 * @returns {(Node | string)[]}
 */
export function tint(text, fault) {
  /** @type {(Node | string)[]} */
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(TERM)) {
    if (match.index > at) nodes.push(...plain(text, at, match.index, fault));
    nodes.push(term(match, fault));
    at = match.index + match[0].length;
  }
  if (at < text.length) nodes.push(...plain(text, at, text.length, fault));
  const end = text.length;
  if (fault && fault.position >= end) nodes.push(html("u", { class: "wrong" }, " "));
  return nodes;
}

/**
 * @param {RegExpMatchArray} match
 * @param {{ position: number, length: number } | null} fault
 */
function term(match, fault) {
  const [whole, not, key, sign, value, notText, phrase] = match;
  const from = match.index ?? 0;
  const isWrong = fault !== null && overlaps(fault, from, from + whole.length);
  if (key === undefined && phrase === undefined) return html("b", { class: "joint" }, whole);
  const node = html("span", {
    class: "tint",
    "data-neg": Boolean(not ?? notText),
    "aria-invalid": isWrong ? "true" : null,
  });
  if (not ?? notText) node.append(not ?? notText ?? "");
  if (key !== undefined) node.append(html("i", {}, key + sign), html("u", {}, value));
  else node.append(html("u", {}, phrase));
  return node;
}

/**
 * @param {string} text
 * @param {number} from
 * @param {number} until
 * @param {{ position: number, length: number } | null} fault
 * @returns {(Node | string)[]}
 */
function plain(text, from, until, fault) {
  if (!fault || !overlaps(fault, from, until)) return [text.slice(from, until)];
  const a = Math.max(fault.position, from);
  const b = Math.min(fault.position + fault.length, until);
  return [
    text.slice(from, a),
    html("u", { class: "wrong" }, text.slice(a, b)),
    text.slice(b, until),
  ];
}

/**
 * @param {{ position: number, length: number }} fault
 * @param {number} from
 * @param {number} until
 */
function overlaps(fault, from, until) {
  return fault.position < until && fault.position + fault.length > from;
}
