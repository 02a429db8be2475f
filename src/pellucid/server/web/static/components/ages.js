// @ts-check
// Ages grow while the page is open; the exact time, in the reader's own zone, is on hover.

import { formatAge } from "./format.js";

function update() {
  if (document.hidden) return;
  const now = Date.now();
  for (const node of document.querySelectorAll("time[data-age]")) {
    const at = Number(/** @type {HTMLElement} */ (node).dataset.age);
    const age = formatAge(at, now);
    if (node.textContent !== age) node.textContent = age;
  }
}

document.addEventListener("pointerover", (event) => {
  const node = /** @type {Element} */ (event.target).closest("time[data-age]");
  if (!(node instanceof HTMLElement) || node.dataset.local) return;
  const at = new Date(Number(node.dataset.age));
  node.dataset.local = at.toLocaleString(undefined, {
    dateStyle: "medium",
    timeStyle: "medium",
  });
  node.title = `${node.dataset.local} (${node.title})`;
});

/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const PRECISIONS = {
  second: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  minute: { hour: "2-digit", minute: "2-digit" },
  day: { day: "numeric", month: "short" },
  month: { month: "short", year: "numeric" },
};

/** Write the labels of a time axis in the reader's own zone. */
function setClocks() {
  for (const node of document.querySelectorAll("time[data-clock]:not([data-set])")) {
    const { clock, precision } = /** @type {HTMLElement} */ (node).dataset;
    const form = new Intl.DateTimeFormat("en-GB", PRECISIONS[precision ?? "minute"]);
    node.textContent = form.format(Number(clock));
    node.setAttribute("data-set", "");
  }
}

document.addEventListener("htmx:afterSettle", setClocks);
setClocks();
update();
setInterval(update, 1000);
