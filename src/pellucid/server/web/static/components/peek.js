// @ts-check
// Space shows the selected trace beside the list; moving on shows the next one, Esc closes.

import { debounce, fill } from "./dom.js";
import { onKey } from "./keys.js";
import { keepLast } from "./pane.js";
import { selectedRow } from "./table.js";

const pane = document.getElementById("peek");
let wanted = "";

const fetchSoon = debounce(() => {
  const trace = selectedRow()?.dataset.trace;
  if (!trace) return;
  wanted = `/traces/${trace}/peek`;
  fill(wanted, { target: "#peek" });
}, 60);

function close() {
  if (!pane) return;
  pane.hidden = true;
  pane.replaceChildren();
}

if (pane) {
  keepLast(pane, { body: ".body", what: "This trace", isWanted: (path) => path === wanted });
}

document.addEventListener("pl-row", () => {
  if (pane && !pane.hidden) fetchSoon();
});

document.addEventListener("click", (event) => {
  if (/** @type {Element} */ (event.target).closest("[data-peek-close]")) close();
});

onKey((event) => {
  if (!pane) return;
  if (event.key === "Escape" && !pane.hidden) close();
  if (event.key !== " " || !selectedRow()) return;
  if (/** @type {Element} */ (event.target).closest("button,a,#peek")) return;
  event.preventDefault();
  if (!pane.hidden) return close();
  pane.hidden = false;
  fetchSoon();
});
