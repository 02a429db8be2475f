// @ts-check
// X picks rows of the trace list; a bar then offers what can be done with them.

import { fill, html, icon } from "./dom.js";
import { plural } from "./format.js";
import { onKey } from "./keys.js";
import { selectedRow } from "./table.js";

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
  const ask = (page) => fill(`${page}?ids=${ids}`, { target: "#ask" });
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

onKey((event) => {
  if (event.key === "Escape" && bar?.isConnected) clear();
  const row = event.key === "x" ? selectedRow() : null;
  if (!row?.dataset.trace) return;
  row.toggleAttribute("data-checked");
  show();
});
