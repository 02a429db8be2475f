// @ts-check
// X picks rows of the trace list; a bar then offers what can be done with them.

import { html, icon, isTyping } from "./dom.js";
import { plural } from "./format.js";
import { singleKeysAllowed } from "./keys.js";
import { selectedRow } from "./table.js";

/** @typedef {import("./span-panel.js").Htmx} Htmx */

/** @type {HTMLElement | null} */
let bar = null;

function picked() {
  return /** @type {HTMLElement[]} */ ([...document.querySelectorAll("tr[data-checked]")]);
}

function clear() {
  for (const row of picked()) row.removeAttribute("data-checked");
  show();
}

function show() {
  const rows = picked();
  bar?.remove();
  if (!rows.length) return;
  const add = html(
    "button",
    { class: "btn xs", type: "button", "data-press": "d" },
    icon("database"),
    "Add to dataset…",
  );
  const drop = html("button", { class: "btn xs", type: "button" }, icon("trash-2"), "Delete…");
  const none = html("button", { class: "btn ghost xs", type: "button" }, "Clear");
  const ids = rows.map((row) => row.dataset.trace).join(",");
  /** @param {string} page */
  const ask = (page) => {
    const htmx = /** @type {{ htmx?: Htmx }} */ (/** @type {unknown} */ (window)).htmx;
    htmx?.ajax("GET", `${page}?ids=${ids}`, { target: "#ask", swap: "innerHTML" });
  };
  add.addEventListener("click", () => ask("/datasets/add"));
  drop.addEventListener("click", () => ask("/traces/delete"));
  none.addEventListener("click", clear);
  bar = html(
    "div",
    { class: "selection", role: "status" },
    `${plural(rows.length, "trace")} selected`,
    add,
    drop,
    none,
  );
  document.querySelector("main")?.append(bar);
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || !singleKeysAllowed()) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && bar?.isConnected) clear();
  const row = event.key === "x" ? selectedRow() : null;
  if (!row?.dataset.trace) return;
  row.toggleAttribute("data-checked");
  show();
});
