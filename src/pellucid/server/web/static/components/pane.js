// @ts-check
// A pane that htmx fills, and that is asked again before it has answered: only what is wanted now
// is drawn, so that a late answer never takes the place of a newer one.

import { html } from "./dom.js";

/**
 * @param {HTMLElement} pane
 * @param {{ body: string, what: string, isWanted: (path: string) => boolean,
 *   failed?: () => void }} options `body` says in it that `what` could not be loaded
 */
export function keepLast(pane, { body, what, isWanted, failed }) {
  /** @param {Event} event */
  const told = (event) => /** @type {CustomEvent} */ (event).detail;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, pathInfo } = told(event);
    if (target === pane && !isWanted(pathInfo.requestPath)) told(event).shouldSwap = false;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (told(event).target === pane) pane.removeAttribute("aria-busy");
  });
  for (const failure of ["htmx:responseError", "htmx:sendError"]) {
    document.addEventListener(failure, (event) => {
      const { target, pathInfo } = told(event);
      if (target !== pane || !isWanted(pathInfo.requestPath)) return;
      pane.removeAttribute("aria-busy");
      const fault = `${what} could not be loaded. Is the server still running?`;
      (pane.querySelector(body) ?? pane).replaceChildren(html("p", { class: "pad dim" }, fault));
      failed?.();
    });
  }
}
