// @ts-check
// Facets and the histogram write into the query: Alt-click rules a value out, a drag over the chart
// sets the time.

import { html } from "./dom.js";

const LEAST = 4;

/** @param {string} name @param {string} value */
function term(name, value) {
  return `${name}:${value}`;
}

/**
 * Put a time range into the query, in the place of the one that is there.
 * @param {number} fromMs
 * @param {number} untilMs
 */
function narrow(fromMs, untilMs) {
  const iso = (/** @type {number} */ ms) => new Date(ms).toISOString().slice(0, 19) + "Z";
  const url = new URL(location.href);
  const bound = /(^|\s)(?:since|until)\s*[:=]\s*(?:"[^"]*"|[^\s()]+)/g;
  const rest = (url.searchParams.get("query") ?? "").replace(bound, "").trim();
  const kept = /(^|\s)OR\s/.test(rest) ? `(${rest})` : rest;
  const query = [kept, term("since", iso(fromMs)), term("until", iso(untilMs))];
  url.searchParams.set("query", query.filter(Boolean).join(" "));
  url.searchParams.delete("cursor");
  location.assign(url);
}

document.addEventListener("click", (event) => {
  const facet = /** @type {Element} */ (event.target).closest("a.facet");
  if (!(facet instanceof HTMLElement) || !event.altKey || !facet.dataset.exclude) return;
  event.preventDefault();
  location.assign(facet.dataset.exclude);
});

document.addEventListener("pointerdown", (event) => {
  const plot = /** @type {Element} */ (event.target).closest(".histogram .plot");
  const figure = plot?.closest("figure");
  if (!(plot instanceof HTMLElement) || !figure || event.button !== 0) return;
  const box = plot.getBoundingClientRect();
  const begin = event.clientX;
  /** @type {HTMLElement | null} */
  let brush = null;

  /** @param {number} x */
  const ratio = (x) => Math.min(Math.max((x - box.left) / box.width, 0), 1);

  /** @param {PointerEvent} moved */
  const move = (moved) => {
    if (!brush && Math.abs(moved.clientX - begin) < LEAST) return;
    brush ??= plot.appendChild(html("div", { class: "brush" }));
    const [a, b] = [ratio(begin), ratio(moved.clientX)].sort((left, right) => left - right);
    brush.style.left = `${a * 100}%`;
    brush.style.width = `${(b - a) * 100}%`;
  };

  /** @param {PointerEvent} ended */
  const up = (ended) => {
    removeEventListener("pointermove", move);
    if (!brush) return;
    addEventListener("click", (click) => click.preventDefault(), { once: true, capture: true });
    const [from, until] = [Number(figure.dataset.from), Number(figure.dataset.until)];
    const [a, b] = [ratio(begin), ratio(ended.clientX)].sort((left, right) => left - right);
    narrow(from + a * (until - from), from + b * (until - from));
  };

  addEventListener("pointermove", move);
  addEventListener("pointerup", up, { once: true });
});

document.addEventListener("dragstart", (event) => {
  if (/** @type {Element} */ (event.target).closest?.(".histogram")) event.preventDefault();
});
