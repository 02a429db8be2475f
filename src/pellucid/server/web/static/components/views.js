// @ts-check
// Waterfall or graph: V or the two buttons, kept in the address.

import { onKey } from "./keys.js";

const tree = document.querySelector("[data-tree]");
const graph = document.querySelector("pl-graph");

/** @param {string} view */
function show(view) {
  if (!(tree instanceof HTMLElement) || !(graph instanceof HTMLElement)) return;
  tree.hidden = view === "graph";
  graph.hidden = view !== "graph";
  tree.closest("pl-waterfall")?.setAttribute("view", view);
  for (const button of document.querySelectorAll("[data-view]")) {
    const isShown = /** @type {HTMLElement} */ (button).dataset.view === view;
    button.setAttribute("aria-pressed", String(isShown));
  }
  const url = new URL(location.href);
  if (view === "graph") url.searchParams.set("view", view);
  else url.searchParams.delete("view");
  history.replaceState(null, "", url);
  document.dispatchEvent(new CustomEvent("pl-view", { detail: { view } }));
}

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("[data-view]");
  if (button instanceof HTMLElement && button.dataset.view) show(button.dataset.view);
});

onKey(({ key }) => {
  if (key !== "v") return;
  show(graph instanceof HTMLElement && graph.hidden ? "graph" : "waterfall");
});
