// @ts-check
// <pl-json>: JSON text becomes a tree that opens to depth 2 and grows only where it is opened.
// Without scripts the text itself is there.

import { html } from "./dom.js";

const OPEN_DEPTH = 2;
const OPEN_ITEMS = 30;
const SLICE = 100;
const LONG = 400;

/** A number as it was written, which JavaScript might round. */
class Figure {
  /** @param {string} source */
  constructor(source) {
    this.source = source;
  }
}

/** @param {string} text */
function parse(text) {
  return JSON.parse(
    text,
    /** @type {(this: any, key: string, value: any) => any} */ (
      /**
       * @param {string} _key
       * @param {unknown} value
       * @param {{ source?: string }} [context]
       */
      (_key, value, context) =>
        typeof value === "number" && context?.source ? new Figure(context.source) : value
    ),
  );
}

class Json extends HTMLElement {
  connectedCallback() {
    const source = this.querySelector("pre");
    if (!source) return;
    try {
      const value = parse(source.textContent ?? "");
      source.remove();
      this.append(entry(null, value, 0));
    } catch {
      // It stays the text that the server wrote.
    }
  }
}

/**
 * @param {string | null} key
 * @param {unknown} value
 * @param {number} depth
 * @returns {HTMLElement}
 */
function entry(key, value, depth) {
  const label = key === null ? [] : [html("span", { class: "jk" }, key), " "];
  if (value === null || typeof value !== "object" || value instanceof Figure) {
    return html("div", {}, ...label, leaf(value));
  }
  const isList = Array.isArray(value);
  /** @type {[string, unknown][]} */
  const items = Object.entries(value);
  const count = `${items.length.toLocaleString("en")} ${isList ? "item" : "key"}${items.length === 1 ? "" : "s"}`;
  const size = items.length ? ` ${count} ` : "";
  const summary = html("span", { class: "jc" }, isList ? `[${size}]` : `{${size}}`);
  if (!items.length) return html("div", {}, ...label, summary);
  const details = html("details", {}, html("summary", {}, ...label, summary));
  const fill = () => {
    if (details.children.length === 1) grow(details, items, 0, depth + 1);
  };
  details.addEventListener("toggle", fill);
  if (depth < OPEN_DEPTH && items.length <= OPEN_ITEMS) {
    fill();
    details.open = true;
  }
  return details;
}

/**
 * Add a slice of a container's items, and a button for the next one.
 * @param {HTMLElement} node
 * @param {[string, unknown][]} items
 * @param {number} from
 * @param {number} depth
 */
function grow(node, items, from, depth) {
  const until = Math.min(from + SLICE, items.length);
  for (const [key, value] of items.slice(from, until)) node.append(entry(key, value, depth));
  if (until === items.length) return;
  const left = Math.min(items.length - until, SLICE);
  const more = html("button", { class: "jm", type: "button" }, `Show ${left} more`);
  more.addEventListener("click", () => {
    more.parentElement?.remove();
    grow(node, items, until, depth);
  });
  node.append(html("div", {}, more));
}

/** @param {unknown} value */
function leaf(value) {
  if (value instanceof Figure) return html("span", { class: "jl" }, value.source);
  if (typeof value !== "string") return html("span", { class: "jl" }, String(value));
  const text = html("span", { class: "js jv" }, `"${clamp(value)}"`);
  if (value.length <= LONG) return text;
  const more = html(
    "button",
    { class: "jm", type: "button" },
    ` Show all ${value.length.toLocaleString("en")} characters`,
  );
  more.addEventListener("click", () => {
    text.textContent = `"${value}"`;
    more.remove();
  });
  return html("span", {}, text, more);
}

/** @param {string} text */
function clamp(text) {
  return text.length > LONG ? `${text.slice(0, LONG)}…` : text;
}

customElements.define("pl-json", Json);
