// @ts-check
// Space shows the selected trace beside the list; moving on shows the next one, Esc closes.

import { debounce, isTyping } from "./dom.js";
import { singleKeysAllowed } from "./keys.js";
import { selectedRow } from "./table.js";

/** @typedef {import("./span-panel.js").Htmx} Htmx */

const pane = document.getElementById("peek");

const fetchSoon = debounce(() => {
  const trace = selectedRow()?.dataset.trace;
  const htmx = /** @type {{ htmx?: Htmx }} */ (/** @type {unknown} */ (window)).htmx;
  if (trace) htmx?.ajax("GET", `/traces/${trace}/peek`, { target: "#peek", swap: "innerHTML" });
}, 60);

function close() {
  if (!pane) return;
  pane.hidden = true;
  pane.replaceChildren();
}

document.addEventListener("pl-row", () => {
  if (pane && !pane.hidden) fetchSoon();
});

document.addEventListener("click", (event) => {
  if (/** @type {Element} */ (event.target).closest("[data-peek-close]")) close();
});

document.addEventListener("keydown", (event) => {
  if (!pane || isTyping(event) || !singleKeysAllowed() || event.defaultPrevented) return;
  if (event.key === "Escape" && !pane.hidden) close();
  if (event.key !== " " || !selectedRow()) return;
  if (/** @type {Element} */ (event.target).closest("button,a,#peek")) return;
  event.preventDefault();
  if (!pane.hidden) return close();
  pane.hidden = false;
  fetchSoon();
});
