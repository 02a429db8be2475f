// @ts-check
// The theme button: the system's theme, light, dark. `theme.js` applies the choice before the first paint.

import { read, store } from "./keys.js";

const NAME = "pellucid.theme";
const ORDER = ["system", "light", "dark"];
const root = document.documentElement;

function current() {
  const stored = read(NAME) ?? root.dataset.theme ?? "system";
  return ORDER.includes(stored) ? stored : "system";
}

function label() {
  for (const node of document.querySelectorAll("[data-theme-name]")) node.textContent = current();
}

document.addEventListener("click", (event) => {
  if (!(/** @type {Element} */ (event.target).closest("[data-theme-toggle]"))) return;
  const next = ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length];
  if (next === "system") delete root.dataset.theme;
  else root.dataset.theme = next;
  store(NAME, next);
  label();
});

label();
