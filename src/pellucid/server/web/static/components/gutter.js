// @ts-check
// The line between two panes: drag it, or move it with the arrows.

import { read, store } from "./keys.js";

const LEAST = 22;
const MOST = 70;

for (const gutter of document.querySelectorAll("[data-gutter]")) {
  if (gutter instanceof HTMLElement) attach(gutter);
}

/** @param {HTMLElement} gutter */
function attach(gutter) {
  const split = gutter.parentElement;
  const name = `pellucid.width.${gutter.dataset.gutter}`;
  if (!split) return;
  let width = Number(read(name)) || 43;

  /** @param {number} percent */
  const show = (percent) => {
    width = Math.min(Math.max(percent, LEAST), MOST);
    split.style.setProperty("--span-width", `${width.toFixed(1)}%`);
    gutter.setAttribute("aria-valuenow", String(Math.round(width)));
  };
  show(width);

  gutter.addEventListener("pointerdown", (event) => {
    gutter.setPointerCapture(event.pointerId);
    const box = split.getBoundingClientRect();
    /** @param {PointerEvent} moved */
    const move = (moved) => show(((box.right - moved.clientX) / box.width) * 100);
    gutter.addEventListener("pointermove", move);
    gutter.addEventListener(
      "pointerup",
      () => {
        gutter.removeEventListener("pointermove", move);
        store(name, String(width));
      },
      { once: true },
    );
  });

  gutter.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: 2, ArrowRight: -2 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(width + step);
    store(name, String(width));
  });
}
