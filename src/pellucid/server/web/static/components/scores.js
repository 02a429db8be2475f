// @ts-check
// A score's chip opens its rationale.

import { html } from "./dom.js";

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
