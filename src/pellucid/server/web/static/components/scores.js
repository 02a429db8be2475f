// @ts-check
// A score's chip opens its rationale; A begins an annotation; the form knows who you are.

import { html } from "./dom.js";
import { onKey, read, store } from "./keys.js";

document.addEventListener("click", (event) => {
  const chip = /** @type {Element} */ (event.target).closest("button.score");
  const pop = document.getElementById("score-pop");
  if (!(chip instanceof HTMLElement) || !pop) return;
  const name = chip.firstChild?.textContent ?? "";
  const value = chip.querySelector("b")?.textContent ?? "";
  pop.replaceChildren(
    html(
      "div",
      { class: "row" },
      html("b", {}, name),
      html("span", { class: "badge" }, chip.dataset.source ?? ""),
      html("b", { class: "end" }, value),
    ),
    html("p", { class: "mut" }, chip.dataset.rationale || "No rationale was given."),
  );
  pop.showPopover();
  const box = chip.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, innerWidth - pop.offsetWidth - 16));
  const below = box.bottom + 6 + pop.offsetHeight < innerHeight;
  pop.style.left = `${left}px`;
  pop.style.top = `${below ? box.bottom + 6 : box.top - 6 - pop.offsetHeight}px`;
});

let isAnnotating = false;

/** Open the span's scores and begin to write. */
function annotate() {
  const field = document.querySelector(".annotate [name=note]");
  isAnnotating = !(field instanceof HTMLElement);
  if (field instanceof HTMLElement) field.focus();
  else /** @type {HTMLElement | null} */ (document.querySelector("#tab-scores"))?.click();
}

function remember() {
  for (const field of document.querySelectorAll("input[data-remember]")) {
    if (!(field instanceof HTMLInputElement)) continue;
    const name = `pellucid.${field.dataset.remember}`;
    field.value ||= read(name) ?? "";
    field.addEventListener("change", () => store(name, field.value));
  }
}

document.addEventListener("htmx:afterSwap", () => {
  remember();
  if (isAnnotating) annotate();
});

document.addEventListener("click", (event) => {
  if (/** @type {Element} */ (event.target).closest("[data-annotate]")) annotate();
});

onKey((event) => {
  if (event.key !== "a" || !document.querySelector("[data-annotate]")) return;
  event.preventDefault();
  annotate();
});

remember();
